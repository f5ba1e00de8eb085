//! `bellwire jobs`, over a broker.

use backplane::{Backplane, Settlement};
use model::{Job, Kind, TaskId};
use serde_json::{Value, json};
use storage::{Storage, StorageConfig};
use tokio::time::{Duration, timeout};

use crate::running::{Folder, environment};

const SOON: Duration = Duration::from_secs(20);

/// An environment of a test's own, with queues.
struct Fixture {
    folder: Folder,
    backplane: Backplane,
}

impl Fixture {
    fn new(kinds: &str) -> Self {
        let (folder, backplane) = environment(kinds);
        Self { folder, backplane }
    }

    /// A job that was tried, and given up for this reason.
    async fn dead_letter(&self, kind: &str, title: &str, reason: &str) -> Job {
        let kind: Kind = kind.parse().unwrap();
        let job = Job::new(TaskId::new(), kind.clone(), "ada", title, json!({ "file": "a.csv" }));
        self.backplane.jobs.submit(&job).await.unwrap();
        let mut reader = self.backplane.jobs.consume(&kind, 1);
        let taken = timeout(SOON, reader.deliveries.recv()).await.expect("a job comes").unwrap();
        taken.settle.settle(Settlement::Dead { reason: reason.to_owned() }).await.unwrap();
        job
    }

    /// The next job of a kind; it goes back to its queue.
    async fn take(&self, kind: &Kind) -> Job {
        let mut reader = self.backplane.jobs.consume(kind, 1);
        timeout(SOON, reader.deliveries.recv()).await.expect("a job comes").unwrap().job.unwrap()
    }

    fn says(&self, arguments: &[&str]) -> String {
        let output = self.folder.run(&[&["jobs"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn list(&self) -> Value {
        serde_json::from_str(&self.says(&["list", "--json"])).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dead_are_listed_and_shown_with_what_a_person_needs_to_decide() {
    let fixture = Fixture::new("imports,reports");
    assert_eq!(
        fixture.says(&["list"]).lines().collect::<Vec<_>>(),
        ["imports: 0 waiting, 0 to be retried, 0 dead", "reports: 0 waiting, 0 to be retried, 0 dead",]
    );
    let job =
        fixture.dead_letter("reports", "Sales\u{1b}[2J", "given up after attempt 5: unavailable: it is away").await;
    let id = job.task.to_string();
    let list = fixture.says(&["list", "--kind", "reports"]);
    let lines: Vec<_> = list.lines().collect();
    assert!(lines[1].starts_with("  ID ") && lines[1].ends_with("  REASON"), "{list}");
    let words = "  ada    Sales\u{fffd}[2J  given up after attempt 5: unavailable: it is away";
    assert!(lines[2].trim_start().starts_with(&id) && lines[2].ends_with(words), "{list}");
    let list = fixture.list();
    let shown = &list[1]["jobs"][0];
    assert_eq!((&list[0]["dead"], &shown["id"], &shown["attempts"]), (&json!(0), &json!(id), &json!(1)));
    assert_eq!(serde_json::from_value::<Job>(shown["job"].clone()).unwrap(), job);
    let whole = fixture.says(&["show", &id]);
    assert!(whole.contains("kind      reports\n") && whole.ends_with("input     {\"file\":\"a.csv\"}\n"), "{whole}");
    assert_eq!(&serde_json::from_str::<Value>(&fixture.says(&["show", &id, "--json"])).unwrap(), shown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retried_job_is_in_its_queue_again_and_a_dropped_one_is_nowhere() {
    let fixture = Fixture::new("imports");
    let (one, two) =
        (fixture.dead_letter("imports", "One", "busy").await, fixture.dead_letter("imports", "Two", "busy").await);
    let said = fixture.says(&["retry", &one.task.to_string()]);
    assert_eq!(said, format!("{} is back in the queue of imports\n", one.task));
    assert_eq!(fixture.take(&one.kind).await, one);
    let said = fixture.says(&["drop", &two.task.to_string(), "--kind", "imports"]);
    assert_eq!(said, format!("{} of imports is dropped\n", two.task));
    assert_eq!(fixture.list()[0]["jobs"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_are_retried_at_once() {
    let fixture = Fixture::new("imports,reports");
    for kind in ["imports", "imports", "reports"] {
        fixture.dead_letter(kind, "A job", "busy").await;
    }
    assert_eq!(fixture.says(&["retry", "--all"]), "imports: 2 back in their queue\nreports: 1 back in their queue\n");
    for kind in fixture.list().as_array().unwrap() {
        assert_eq!((&kind["dead"], &kind["jobs"]), (&json!(0), &json!([])), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_answered_with_where_it_was_looked_for() {
    let fixture = Fixture::new("imports");
    let line = fixture.folder.refusal(&["jobs", "retry", "01JD"]);
    assert!(line.contains("there is no dead job 01JD among the imports of prod"), "{line}");
    let line = fixture.folder.refusal(&["jobs", "list", "--kind", "improts"]);
    assert_eq!(line, "bellwire: there is no queue for jobs of kind improts here\n");
    let nowhere = Fixture::new("unheard");
    let line = nowhere.folder.refusal(&["jobs", "list"]);
    assert!(line.contains("prod has no queue for imports, reports, workflows: name the kind with --kind"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dead_of_ones_own_function_are_found_where_its_worker_has_described_it() {
    let fixture = Fixture::new("invoices");
    let job = fixture.dead_letter("invoices", "November", "busy").await;
    let url = format!("file:{}", fixture.folder.0.path().join("files").display());
    let catalogue = Storage::open(&StorageConfig::at(url.clone())).unwrap().catalogue(&"prod".parse().unwrap());
    catalogue.put(&job.kind, "{}".into()).await.unwrap();
    let set = format!("storage.url={url}");
    let list = fixture.says(&["list", "--set", &set]);
    assert!(list.starts_with("invoices: 0 waiting, 0 to be retried, 1 dead\n"), "{list}");
    assert_eq!(
        fixture.says(&["drop", &job.task.to_string(), "--set", &set]),
        format!("{} of invoices is dropped\n", job.task)
    );
}
