use async_trait::async_trait;
use backplane::{Link, LogReader, ReadFrom};
use model::{EncodedEvent, TaskId};
use storage::{Storage, StorageConfig};
use tokio::sync::mpsc;

use super::*;

struct Sent(mpsc::Sender<Event>);

#[async_trait]
impl EventLog for Sent {
    async fn publish_encoded(&self, _: Destination, encoded: &EncodedEvent<'_>) -> Result<(), SendError> {
        self.0.send(encoded.event().clone()).await.map_err(|_| SendError::Unavailable("nobody receives it".to_owned()))
    }

    fn read(&self, _: ReadFrom) -> LogReader {
        unreachable!("it only publishes")
    }

    fn publishing(&self) -> watch::Receiver<Link> {
        unreachable!("it only publishes")
    }
}

fn publisher() -> (TaskPublisher, mpsc::Receiver<Event>) {
    publisher_of((0, 1))
}

/// Of a job with so many attempts before, at this attempt.
fn publisher_of((attempts, attempt): (u32, u32)) -> (TaskPublisher, mpsc::Receiver<Event>) {
    let (sender, events) = mpsc::channel(8);
    let files = Storage::open(&StorageConfig::at("memory:")).unwrap();
    let files = files.files(&"test".parse().unwrap(), "ada");
    let job = Job::new(TaskId::new(), "tricks".parse().unwrap(), "ada", "A trick", Value::Null);
    let job = Job { attempts, ..job };
    (TaskPublisher::new(Arc::new(Sent(sender)), files, &job, attempt), events)
}

#[tokio::test]
async fn what_the_broker_has_counted_is_not_told_of_a_task_that_waits_on() {
    for (attempts, redeliveries, told) in [(0, 0, 0), (0, 2, 0), (1, 0, 2), (1, 3, 2)] {
        let (publisher, mut events) = publisher_of((attempts, attempts + redeliveries + 1));
        publisher.waits(None).await;
        let task = events.recv().await.unwrap().task().unwrap().unwrap();
        assert_eq!(task.attempt, told, "{attempts} attempts and {redeliveries} redeliveries");
    }
}

#[tokio::test]
async fn a_toast_that_cannot_be_published_does_not_keep_the_end_away_nor_a_large_result_from_being_stored() {
    let toast = Toast::new(Level::Warning, "x".repeat(10_000));
    for result in [json!({ "rows": 7 }), json!({ "much": "x".repeat(70_000) })] {
        let (publisher, mut events) = publisher();
        let end = TaskEnd::Succeeded { result, toast: toast.clone() };
        assert!(publisher.end(end, &CancellationToken::new()).await);
        let event = events.recv().await.unwrap();
        let task = event.task().unwrap().unwrap();
        let result = task.result.unwrap();
        assert!(result["omitted"].is_string() && result.get("rows").is_none(), "{result}");
        assert_eq!(task.state, TaskState::Succeeded);
        assert_eq!(event.toast().unwrap().unwrap(), Toast::new(Level::Warning, "A trick succeeded"));
        assert!(events.try_recv().is_err(), "it is published once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_without_progress_has_an_event_twice_a_minute_that_says_until_when() {
    let (publisher, mut events) = publisher();
    let (progress, receiver) = watch::channel(0.0);
    let stop = CancellationToken::new();
    let began = Instant::now();
    let receiving = async {
        let mut tasks = Vec::new();
        while tasks.len() < 5 {
            tasks.push(events.recv().await.unwrap().task().unwrap().unwrap());
            // The same progress again and again must not keep the event away.
            progress.send_replace(0.0);
        }
        stop.cancel();
        tasks
    };
    let ((), tasks) = tokio::join!(publisher.progress(ENDS_AT_ONCE, receiver, &stop), receiving);
    let passed = began.elapsed().as_secs();
    assert!((4 * 20..=4 * 31).contains(&passed), "four events after the first in {passed} seconds");
    assert!(tasks.is_sorted_by(|one, other| one.sequence < other.sequence), "{tasks:?}");
    for task in tasks {
        let ahead = task.next_by.unwrap().duration_since(task.updated.unwrap()).as_millis();
        assert!((89_000..91_000).contains(&ahead) && task.state == TaskState::Running, "{task:?}");
    }
}
