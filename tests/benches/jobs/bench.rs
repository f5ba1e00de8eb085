//! Jobs of an empty function beside other queues, each with its own service on this machine and each with what its
//! settings promise, and beside the broker alone: jobs a second and processor time for a job with 1, 4, 16 and 64 in
//! flight in one worker, and how long from submitting a job to hearing of its end. Then a workflow of three empty steps
//! beside Restate, and how fair ours are. `make bench` runs all; arguments choose parts
//! (`throughput`, `latency`, `workflows`, `fairness`), sides (`bellwire`, `celery`, …) and numbers in flight.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{env, time::Duration};

use backplane::{Destination, LogItem, LogReader};
use model::{TaskId, TaskState};
use tokio::time::timeout;

use self::{
    peers::Peers,
    restate::Restate,
    side::{RATES, Runs, Side},
};

mod bellwire;
mod cpu;
mod fairness;
mod floor;
mod peers;
mod program;
mod restate;
mod side;
mod submitter;

const PARTS: [&str; 4] = ["throughput", "latency", "workflows", "fairness"];
const IN_FLIGHT: [usize; 4] = [1, 4, 16, 64];
const TIMEOUT: Duration = Duration::from_secs(180);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if bellwire::run_role().await {
        return;
    }
    let chosen = Chosen(env::args().skip(1).filter(|argument| argument != "--bench").collect());
    let peers = Peers::install();
    let sides: Vec<_> = [bellwire::side(), floor::side()].into_iter().chain(peers.sides()).collect();
    let sides: Vec<_> =
        sides.iter().filter(|side| chosen.has(side.name, |word| sides.iter().any(|side| side.name == word))).collect();
    for side in &sides {
        println!("  {:<15} {}", side.name, side.contract);
    }
    let is_part = |word: &str| PARTS.contains(&word);
    if chosen.has("throughput", is_part) {
        let in_flight =
            IN_FLIGHT.iter().filter(|number| chosen.has(&number.to_string(), |word| word.parse::<usize>().is_ok()));
        in_flight.for_each(|number| throughput(&sides, *number));
    }
    if chosen.has("latency", is_part) {
        latency(&sides);
    }
    if chosen.has("workflows", is_part) {
        let restate = Restate::start(&peers).await;
        workflows(&[bellwire::workflows_side(), restate.side(&peers)]);
    }
    if chosen.has("fairness", is_part) {
        fairness::measure().await;
    }
}

/// What the arguments choose.
struct Chosen(Vec<String>);

impl Chosen {
    /// Whether a word was chosen, or none of its sort was.
    fn has(&self, word: &str, is_of_its_sort: impl Fn(&str) -> bool) -> bool {
        self.0.iter().any(|chosen| chosen == word) || !self.0.iter().any(|chosen| is_of_its_sort(chosen))
    }
}

/// A name for queues that nobody has used.
fn unused_name() -> String {
    let id = TaskId::new().to_string().to_lowercase();
    format!("bench{}", &id[id.len() - 12..])
}

fn throughput(sides: &[&Side], in_flight: usize) {
    println!(
        "empty jobs, {in_flight} in flight: jobs/s, and µs of the processor for a job: worker, service, submitter"
    );
    for side in sides {
        let measured = side.throughput(unused_name(), in_flight);
        println!(
            "  {:<15} {:>7.0} jobs/s   worker {:>5.0}   service {:>5.0}   submitter {:>5.0}   jobs per cpu second {:>6.0}",
            side.name,
            measured.per_second,
            measured.worker,
            measured.service,
            measured.submitter,
            measured.per_cpu_second(),
        );
    }
}

fn latency(sides: &[&Side]) {
    println!("submit to end, 4 in flight");
    for side in sides {
        let measured = side.latency(unused_name()).into_iter().zip(RATES);
        let columns =
            measured.map(|(took, rate)| format!("{rate:>4}/s  p50 {:>7.2} ms  p99 {:>7.2} ms", took.p50, took.p99));
        println!("  {:<15} {}", side.name, columns.collect::<Vec<_>>().join("   "));
    }
}

fn workflows(sides: &[Side]) {
    println!("a workflow of three empty steps, from its start until its end is heard");
    for side in sides {
        println!("  {:<15} {}", side.name, side.contract);
    }
    for in_flight in [1, 100] {
        for side in sides {
            let Runs { per_second, latency, cpu } = side.runs(unused_name(), in_flight);
            println!(
                "  {:<15} {in_flight:>3} at once  {per_second:>6.1} runs/s   p50 {:>7.1} ms   p99 {:>7.1} ms   cpu {cpu:>6.2} ms a run",
                side.name, latency.p50, latency.p99,
            );
        }
    }
}

/// The next task that has succeeded.
async fn ended(reader: &mut LogReader) -> TaskId {
    next_in_state(reader, TaskState::Succeeded).await
}

/// The next task that comes to this state.
async fn next_in_state(reader: &mut LogReader, state: TaskState) -> TaskId {
    loop {
        let item = timeout(TIMEOUT, reader.items.recv()).await.expect("the workers do their jobs").unwrap();
        let LogItem::Entry(entry) = item else { continue };
        let Ok(event) = &entry.event else { continue };
        if entry.origin == Destination::Own
            && let Ok(Some(task)) = event.task()
            && task.state == state
        {
            return task.id;
        }
    }
}
