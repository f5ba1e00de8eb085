//! Gauges of the jobs of a kind that wait, wait for a retry, or are dead: for scaling workers by their queue.

use std::{sync::Arc, time::Duration};

use backplane::{Depth, JobQueues};
use metrics::gauge;
use model::Kind;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

/// The pause between two measurements, give or take a fifth, so that many workers do not ask at once.
const INTERVAL: Duration = Duration::from_secs(10);
/// The queue may have to be made first.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Keeps the gauges of a kind up to date for as long as the handle lives. All workers of a kind report the same.
pub(crate) fn spawn(jobs: Arc<dyn JobQueues>, kind: Kind) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut pause = FIRST_PAUSE;
        loop {
            sleep(pause.mul_f64(rand::random_range(0.8..1.2))).await;
            pause = INTERVAL;
            match jobs.depth(&kind).await {
                Ok(depth) => record(&kind, depth),
                Err(error) => warn!(%kind, %error, "the number of waiting jobs is not known"),
            }
        }
    }))
}

fn record(kind: &Kind, depth: Depth) {
    // The counts of a queue are far below where a float loses one.
    for (name, count) in [
        ("bellwire_function_waiting", depth.waiting),
        ("bellwire_function_retrying", depth.retrying),
        ("bellwire_function_dead", depth.dead),
    ] {
        gauge!(name, "kind" => kind.to_string()).set(count as f64);
    }
}

#[cfg(test)]
mod tests {
    use backplane::memory::Broker;
    use model::{Job, TaskId};
    use serde_json::Value;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn the_gauges_say_how_many_jobs_there_are() {
        let (metrics, kind) = (process::prometheus::install_recorder(), "gauged".parse::<Kind>().unwrap());
        let jobs = Broker::new().environment(&"test".parse().unwrap()).jobs;
        // It makes the queue, and takes nothing more.
        drop(jobs.consume(&kind, 1));
        for _ in 0..3 {
            jobs.submit(&Job::new(TaskId::new(), kind.clone(), "ada", "A job", Value::Null)).await.unwrap();
        }
        let _metrics = spawn(jobs, kind);
        let recorded = async {
            while !metrics.render().contains(r#"bellwire_function_waiting{kind="gauged"} 3"#) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), recorded).await.unwrap();
        assert!(metrics.render().contains(r#"bellwire_function_dead{kind="gauged"} 0"#));
    }
}
