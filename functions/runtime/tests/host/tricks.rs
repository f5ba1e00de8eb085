//! A function that does as it is told.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use model::{
    Kind, Policies, Toast,
    toast::{Action, Level},
};
use runtime::{Completion, Context, Failure, Function, Refusal};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

/// What the function shall do.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) struct Input {
    trick: Trick,
    /// How often a passing failure comes before it works.
    #[serde(default)]
    times: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Trick {
    /// Finishes at once.
    Finish,
    /// Says a thousand times how far it is, then waits to be let go.
    Chatter,
    /// Waits to be let go, and stops when told to.
    Hold,
    /// Waits to be told to stop, and has its effect all the same.
    Stubborn,
    /// Panics.
    Panic,
    /// Fails for good.
    Sour,
    /// Fails for good, with something to go on by.
    Refused,
    /// The same with a toast that cannot be published.
    Unpublishable,
    /// Fails in passing, then works.
    Busy,
    /// Comes to more than an event can hold.
    Much,
}

/// What a test and the function share.
#[derive(Clone)]
pub(crate) struct Tricks {
    /// Lets those go that wait.
    pub(crate) gate: Arc<Semaphore>,
    /// How many run, and how many did at most.
    pub(crate) running: watch::Sender<(u32, u32)>,
    /// How many have run.
    pub(crate) finished: watch::Sender<u32>,
    pub(crate) deadline: Duration,
    pub(crate) policies: Policies,
    /// What has begun goes on elsewhere.
    pub(crate) in_background: bool,
}

impl Default for Tricks {
    fn default() -> Self {
        let deadline = Duration::from_secs(60);
        let (running, finished) = (watch::Sender::new((0, 0)), watch::Sender::new(0));
        Self {
            gate: Arc::new(Semaphore::new(0)),
            running,
            finished,
            deadline,
            policies: Policies::default(),
            in_background: false,
        }
    }
}

struct RunningNow(Tricks);

impl RunningNow {
    fn enter(tricks: &Tricks) -> Self {
        tricks.running.send_modify(|(now, most)| {
            *now += 1;
            *most = (*most).max(*now);
        });
        Self(tricks.clone())
    }
}

impl Drop for RunningNow {
    fn drop(&mut self) {
        self.0.running.send_modify(|(now, _)| *now -= 1);
        self.0.finished.send_modify(|number| *number += 1);
    }
}

#[async_trait]
impl Function for Tricks {
    type Input = Input;
    type Output = Value;

    fn kind(&self) -> Kind {
        "tricks".parse().unwrap()
    }

    fn completes_in_background(&self) -> bool {
        self.in_background
    }

    fn policies(&self) -> Policies {
        self.policies.clone()
    }

    fn deadline(&self) -> Duration {
        self.deadline
    }

    async fn run(&self, context: &Context, input: Input) -> Result<Completion<Value>, Failure> {
        let _running = RunningNow::enter(self);
        let mut output = json!({ "attempt": context.attempt });
        match input.trick {
            Trick::Finish => {}
            Trick::Panic => panic!("as told"),
            Trick::Sour => return Err(Failure::input("it is sour")),
            Trick::Refused => return Err(refusal("/api/files/a/rejected.csv").into()),
            Trick::Unpublishable => return Err(refusal("javascript:alert(1)").into()),
            Trick::Much => output["much"] = "x".repeat(70_000).into(),
            Trick::Stubborn => context.stop.cancelled().await,
            Trick::Hold => self.wait(context).await?,
            Trick::Chatter => {
                for part in 1..=1000 {
                    context.progress(f64::from(part) / 1000.0);
                    tokio::task::yield_now().await;
                }
                self.wait(context).await?;
            }
            Trick::Busy if context.attempt <= input.times => {
                return Err(Failure::passing("the database is away", std::io::Error::other("refused")));
            }
            Trick::Busy => {}
        }
        Ok(Completion { output, toast: Toast::new(Level::Success, format!("{} is done", context.title)) })
    }
}

fn refusal(href: &str) -> Refusal {
    let action = Some(Action { label: "See them".to_owned(), href: href.to_owned() });
    let toast = Toast { action, ..Toast::new(Level::Warning, "Nothing was done") };
    Refusal { reason: "rejected", message: "too many are bad".to_owned(), result: json!({ "href": href }), toast }
}

impl Tricks {
    async fn wait(&self, context: &Context) -> Result<(), Failure> {
        tokio::select! {
            permit = self.gate.acquire() => { permit.unwrap().forget(); Ok(()) }
            () = context.stop.cancelled() => Err(Failure::Stopped),
        }
    }
}
