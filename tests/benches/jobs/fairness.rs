//! How long a stranger's first job waits while somebody else's many wait: beside an idle system, and beside one queue in
//! order of arrival, which is what all jobs are in when none says how many its owner has.

use std::time::{Duration, Instant};

use backplane::{Backplane, LogReader, ReadFrom};
use futures_util::{StreamExt, stream};
use model::{Job, TaskState};
use serde_json::json;

use crate::{
    bellwire::{address, backplane, declare, job, side, signed, unsigned_job},
    next_in_state,
    program::{Program, Role},
    unused_name,
};

/// The flood's jobs, and how long each takes.
const FLOOD: u32 = 2000;
const TAKES: Duration = Duration::from_millis(20);
const WORKERS: usize = 2;
/// Jobs that one of them does at once.
const AT_ONCE: usize = 2;
/// Strangers, one after another.
const STRANGERS: usize = 20;

/// One way to queue a flood.
struct Flood {
    /// The waits of first jobs, sorted.
    waits: Vec<Duration>,
    per_second: f64,
}

pub(crate) async fn measure() {
    println!(
        "fairness: {WORKERS} workers, {FLOOD} jobs of {} ms of one owner, then a stranger's first, empty; submit to end",
        TAKES.as_millis()
    );
    let idle = waits(&Bench::start(0, false).await, STRANGERS).await;
    let fair = Bench::start(FLOOD, true).await.flood(STRANGERS).await;
    // There the first stranger waits for the whole flood.
    let fifo = Bench::start(FLOOD, false).await.flood(1).await;
    for (name, waits) in [("idle", &idle), ("lanes", &fair.waits), ("one queue", &fifo.waits)] {
        println!("  first job  {name:<9} p50 {:>9.1} ms   max {:>9.1} ms", middle(waits), longest(waits));
    }
    println!(
        "  first job  ratio     to idle {:.1}   to one queue {:.4}",
        middle(&fair.waits) / middle(&idle),
        middle(&fair.waits) / middle(&fifo.waits),
    );
    println!(
        "  the flood  lanes {:.0} jobs/s   one queue {:.0} jobs/s   ratio {:.2}",
        fair.per_second,
        fifo.per_second,
        fair.per_second / fifo.per_second
    );
}

struct Bench {
    backplane: Backplane,
    _workers: Vec<Program>,
}

impl Bench {
    /// A broker with a flood, and workers where there is none.
    async fn start(flood: u32, counted: bool) -> Self {
        let (url, prefix) = (address(), unused_name());
        declare(&url, &prefix).await;
        let backplane = backplane(&url, &prefix);
        let jobs = &backplane.jobs;
        let submitted = stream::iter(0..flood).map(|number| async move {
            let input = json!({ "milliseconds": TAKES.as_millis() as u64 });
            let backlog = if counted { number } else { 0 };
            jobs.submit(&signed(Job { backlog, input, ..unsigned_job("mallory") })).await.unwrap();
        });
        submitted.buffered(100).collect::<Vec<()>>().await;
        let worker = || Program::start(side().command(&prefix, Role::Work, AT_ONCE));
        Self { _workers: (0..WORKERS).map(|_| worker()).collect(), backplane }
    }

    /// Lets strangers come while the flood is worked off.
    async fn flood(self, strangers: usize) -> Flood {
        let mut reader = self.reader();
        next_in_state(&mut reader, TaskState::Succeeded).await;
        let began = Instant::now();
        let waits = waits(&self, strangers).await;
        for _ in 1..FLOOD as usize + strangers {
            next_in_state(&mut reader, TaskState::Succeeded).await;
        }
        let per_second = f64::from(FLOOD) / began.elapsed().as_secs_f64();
        Flood { waits, per_second }
    }

    fn reader(&self) -> LogReader {
        self.backplane.log.read(ReadFrom::Time(jiff::Timestamp::now()))
    }
}

/// The waits of strangers' first jobs, one after another, sorted.
async fn waits(bench: &Bench, strangers: usize) -> Vec<Duration> {
    let mut reader = bench.reader();
    // The workers are there.
    bench.backplane.jobs.submit(&job()).await.unwrap();
    next_in_state(&mut reader, TaskState::Succeeded).await;
    let mut waits = Vec::new();
    for stranger in 0..strangers {
        let first = signed(unsigned_job(&format!("stranger-{stranger}")));
        let began = Instant::now();
        bench.backplane.jobs.submit(&first).await.unwrap();
        while next_in_state(&mut reader, TaskState::Succeeded).await != first.task {}
        waits.push(began.elapsed());
    }
    waits.sort_unstable();
    waits
}

fn middle(sorted: &[Duration]) -> f64 {
    sorted[sorted.len() / 2].as_secs_f64() * 1000.0
}

fn longest(sorted: &[Duration]) -> f64 {
    sorted[sorted.len() - 1].as_secs_f64() * 1000.0
}
