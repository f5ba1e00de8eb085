//! A job ends, and up to three seconds later, or at the same time, its page listens: it must know of the end all the same,
//! whichever of the ways it takes and whichever pods it reaches.
//!
//! `make test` races a few hundred times. Ten thousand times, with the table:
//! `BELLWIRE_TEST_RACES=10000 make test ONLY=race FILTER=--nocapture`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{env, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use model::{Kind, Toast, toast::Level};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{Cluster, EventStream, Pod, TIMEOUT, cluster::answer, over_both_backplanes, until};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

over_both_backplanes! { a_page_that_listens_after_its_job_has_ended_knows_of_the_end }

/// Races over each backplane, unless `BELLWIRE_TEST_RACES` says how many.
const RACES: usize = 240;
/// Races that go on at once.
const AT_ONCE: usize = 120;
/// The longest time between the end and the page, in milliseconds.
const LATEST: u64 = 3_000;
/// The longest pause between a page's two requests, in milliseconds.
const PAUSE: u64 = 40;
const ENDED: &str = "bellwire.task.succeeded";

/// Is done at once.
struct Quick;

#[async_trait]
impl Function for Quick {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "quick".parse().unwrap()
    }

    async fn run(&self, _: &Context, _: Value) -> Result<Completion<Value>, Failure> {
        Ok(Completion { output: json!({}), toast: Toast::new(Level::Success, "Done") })
    }
}

/// How a page comes to know what has happened before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It reads the list, then listens after the list's cursor.
    ListThenEvents,
    /// It listens from now on, then reads the list, again if the list's pod has read less of the log.
    EventsThenList,
    /// It listens after the cursor that it had before the job was started.
    OwnCursor,
}

/// How it came to know of the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    ByList,
    ByEvent,
    Never,
}

struct Race {
    way: Way,
    /// Milliseconds between the end and the page; none for a page that opens while the job is done.
    late: Option<u64>,
    known: Known,
}

struct Place {
    cluster: Cluster,
    /// Two that pages reach, and one that sees each end first.
    pods: [Pod; 3],
}

async fn a_page_that_listens_after_its_job_has_ended_knows_of_the_end(cluster: Cluster) {
    let pods = [cluster.pod().await, cluster.pod().await, cluster.pod().await];
    let _worker = cluster.worker("prod", Quick).await;
    let place = Arc::new(Place { cluster, pods });
    let races = env::var("BELLWIRE_TEST_RACES").map_or(RACES, |number| number.parse().unwrap());
    let (mut racing, mut table) = (JoinSet::new(), Table::default());
    for number in 0..races {
        if racing.len() >= AT_ONCE {
            table.0.push(racing.join_next().await.unwrap().unwrap());
        }
        let place = place.clone();
        racing.spawn(async move { place.race(number).await });
    }
    table.0.extend(racing.join_all().await);
    println!("{table}");
    assert_eq!(table.missed(), 0, "{table}");
}

impl Place {
    async fn race(&self, number: usize) -> Race {
        let (turn, way) = (number / Way::ALL.len(), Way::ALL[number % Way::ALL.len()]);
        let late = (!(turn / 4).is_multiple_of(4)).then_some((turn as u64 * 7919) % LATEST);
        let token = self.cluster.token(&format!("ada-{number}"), "prod");
        let mut before = EventStream::connect(&self.pods[2].url, &token, None).await;
        let cursor = before.cursor.clone();
        let task = self.start(&token).await;
        if let Some(late) = late {
            assert!(ends(&mut before, &task).await, "the job ends");
            sleep(Duration::from_millis(late)).await;
        }
        drop(before);
        let (list, events) = (&self.pods[turn % 2], &self.pods[turn / 2 % 2]);
        let page = Page { list, events, token: &token, task: &task, pause: Duration::from_millis(turn as u64 % PAUSE) };
        Race { way, late, known: page.learn(way, &cursor).await }
    }

    async fn start(&self, token: &str) -> String {
        until("the task is taken", async || {
            let request = self.pods[2].request("POST", "/api/tasks", token);
            let (status, task) = answer(request.body(r#"{"kind":"quick"}"#)).await;
            (status == 202).then(|| task["id"].as_str().unwrap().to_owned())
        })
        .await
    }
}

/// A page that opens, and the pods that its requests reach.
struct Page<'a> {
    list: &'a Pod,
    events: &'a Pod,
    token: &'a str,
    task: &'a str,
    /// Between its two requests.
    pause: Duration,
}

impl Page<'_> {
    async fn learn(&self, way: Way, cursor: &str) -> Known {
        let (list, mut events) = match way {
            Way::ListThenEvents => {
                let list = self.list().await;
                let after = list["cursor"].as_str().map(str::to_owned);
                sleep(self.pause).await;
                (list, self.listen(after.as_deref()).await)
            }
            Way::EventsThenList => {
                let events = self.listen(None).await;
                sleep(self.pause).await;
                let mut list = self.list().await;
                while list["cursor"].as_str() < Some(&events.cursor) {
                    list = self.list().await;
                }
                (list, events)
            }
            Way::OwnCursor => (Value::Null, self.listen(Some(cursor)).await),
        };
        let mut listed = list["tasks"].as_array().into_iter().flatten();
        if listed.any(|task| task["id"] == self.task && task["state"] == "succeeded") {
            return Known::ByList;
        }
        if ends(&mut events, self.task).await { Known::ByEvent } else { Known::Never }
    }

    async fn list(&self) -> Value {
        let (status, list) = answer(self.list.request("GET", "/api/tasks", self.token)).await;
        assert_eq!(status, 200, "{list}");
        list
    }

    async fn listen(&self, after: Option<&str>) -> EventStream {
        EventStream::connect(&self.events.url, self.token, after).await
    }
}

/// Whether the end of this task is told.
async fn ends(events: &mut EventStream, task: &str) -> bool {
    let told = async {
        while let Some(frame) = events.next_or_end().await {
            if frame.event == ENDED && frame.data["data"]["task"]["id"] == task {
                return true;
            }
        }
        false
    };
    timeout(TIMEOUT, told).await.unwrap_or(false)
}

impl Way {
    const ALL: [Self; 3] = [Self::ListThenEvents, Self::EventsThenList, Self::OwnCursor];

    fn name(self) -> &'static str {
        match self {
            Self::ListThenEvents => "the list, then events after its cursor",
            Self::EventsThenList => "events from now on, then the list",
            Self::OwnCursor => "events after the cursor from before",
        }
    }
}

/// What all races came to.
#[derive(Default)]
struct Table(Vec<Race>);

impl Table {
    fn missed(&self) -> usize {
        self.0.iter().filter(|race| race.known == Known::Never).count()
    }

    fn count(&self, way: Way, is_counted: impl Fn(&Race) -> bool) -> usize {
        self.0.iter().filter(|race| race.way == way && is_counted(race)).count()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} pages that listen after their job has ended", self.0.len())?;
        let header = ["meanwhile", "< 1 s", "< 2 s", "< 3 s", "by list", "by event", "missed"];
        writeln!(f, "  {:<40}{}", "", header.map(|name| format!("{name:>10}")).concat())?;
        for way in Way::ALL {
            let meanwhile = self.count(way, |race| race.late.is_none());
            let late = |second| self.count(way, |race| race.late.is_some_and(|late| late / 1_000 == second));
            let known = |known| self.count(way, |race| race.known == known);
            let [list, event, missed] = [Known::ByList, Known::ByEvent, Known::Never].map(known);
            let row = [meanwhile, late(0), late(1), late(2), list, event, missed];
            writeln!(f, "  {:<40}{}", way.name(), row.map(|count| format!("{count:>10}")).concat())?;
        }
        Ok(())
    }
}
