//! What `peers/program.mjs` does, for the programs in Rust: submits jobs as it is told, and says when their ends were heard.

use std::{
    io::stdin,
    thread,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use model::TaskId;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

/// Jobs that are submitted at once to fill the queue.
const SUBMITTED_AT_ONCE: usize = 100;

/// The jobs that have ended, in order, and when by the clock.
pub(crate) type Ends = Vec<(String, f64)>;

/// Answers commands until standard input ends. `submit` resolves once a job is in the queue; `runs` does so many runs
/// of a workflow, so many at once.
pub(crate) async fn serve<S: Future<Output = ()> + Send + 'static>(
    clock: Instant,
    ends: watch::Receiver<Ends>,
    submit: impl Fn(TaskId) -> S,
    runs: impl AsyncFn(usize, usize) -> Value,
) {
    answer(&json!({ "ready": true }));
    let (said, mut commands) = mpsc::channel(1);
    thread::spawn(move || stdin().lines().try_for_each(|line| said.blocking_send(line.unwrap())));
    while let Some(command) = commands.recv().await {
        let words: Vec<_> = command.split(' ').collect();
        let number = |at: usize| words[at].parse::<usize>().unwrap();
        answer(&match words[0] {
            "fill" => {
                let submitted = stream::iter(0..number(1)).map(|_| submit(TaskId::new()));
                submitted.buffer_unordered(SUBMITTED_AT_ONCE).collect::<Vec<()>>().await;
                json!({})
            }
            "pace" => pace(clock, number(1), number(2), &submit).await,
            "runs" => runs(number(1), number(2)).await,
            "until" => {
                let at = ends.clone().wait_for(|ends| ends.len() >= number(1)).await.unwrap()[number(1) - 1].1;
                json!({ "at": at })
            }
            _ => json!({ "ends": &*ends.borrow() }),
        });
    }
}

async fn pace<S: Future<Output = ()> + Send + 'static>(
    clock: Instant,
    count: usize,
    rate: usize,
    submit: impl Fn(TaskId) -> S,
) -> Value {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / rate as u32);
    let (mut sent, mut submitting) = (Vec::new(), JoinSet::new());
    for _ in 0..count {
        pace.tick().await;
        let id = TaskId::new();
        sent.push((id.to_string(), clock.elapsed().as_secs_f64()));
        submitting.spawn(submit(id));
    }
    submitting.join_all().await;
    json!({ "sent": sent })
}

fn answer(value: &Value) {
    println!("{value}");
}
