//! A job queue that is measured: ours, or another with its client from a package.

use std::{collections::HashMap, process::Command, time::Instant};

use serde_json::Value;

use crate::{
    cpu,
    program::{Program, Role},
};

/// Jobs in a queue before its worker starts, for each that is in flight, and the fewest; a quarter of them are submitted and
/// done before anything is counted, since all programs are slower at first.
const BACKLOG: usize = 240;
const SHORTEST_BACKLOG: usize = 1000;
/// Jobs of a worker that are in flight while latency is measured, and the seconds that it is.
const PACED_AT_ONCE: usize = 4;
const PACED_SECONDS: usize = 8;
/// Jobs of a worker that are in flight while workflows are measured.
const RUN_AT_ONCE: usize = 64;
/// Runs of a workflow that are measured, for each that is in flight at a time; of one at a time more.
const RUNS: usize = 5;
const FEWEST_RUNS: usize = 100;
/// The latency is that of so many a second.
pub(crate) const RATES: [usize; 2] = [40, 200];

/// A job queue.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    /// What its settings here promise.
    pub(crate) contract: &'static str,
    /// Who hears of the end of a job.
    pub(crate) teller: Role,
    /// The port of its broker or database.
    pub(crate) service: u16,
    /// Its program, for queues of this name.
    pub(crate) program: Box<dyn Fn(&str) -> Command>,
}

/// What was measured of empty jobs from a full queue; times of the processor in microseconds for a job.
pub(crate) struct Throughput {
    pub(crate) per_second: f64,
    pub(crate) worker: f64,
    pub(crate) service: f64,
    pub(crate) submitter: f64,
}

impl Throughput {
    /// Jobs in a second of the processor, of all together.
    pub(crate) fn per_cpu_second(&self) -> f64 {
        1e6 / (self.worker + self.service + self.submitter)
    }
}

/// From submitting a job until its end is heard, in milliseconds.
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Latency {
    fn of(mut took: Vec<f64>) -> Self {
        took.sort_unstable_by(f64::total_cmp);
        let at = |part: f64| took[(took.len() as f64 * part) as usize];
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

/// What was measured of runs of a workflow.
pub(crate) struct Runs {
    pub(crate) per_second: f64,
    pub(crate) latency: Latency,
    /// Milliseconds of the processor for a run, of all processes together.
    pub(crate) cpu: f64,
}

/// The programs of a side over queues of their own.
struct Running<'a> {
    side: &'a Side,
    name: String,
    /// The process that listens on the service's port.
    service: u32,
    submitter: Program,
    worker: Option<Program>,
    heard: usize,
}

impl Side {
    /// The same with this in the environment of its programs.
    pub(crate) fn with(self, variable: &'static str, value: &'static str) -> Self {
        let Self { name, contract, teller, service, program } = self;
        let program = move |name: &str| {
            let mut command = program(name);
            command.env(variable, value);
            command
        };
        Self { name, contract, teller, service, program: Box::new(program) }
    }

    /// Empty jobs from a full queue, so many in flight in one worker.
    pub(crate) fn throughput(&self, name: String, at_once: usize) -> Throughput {
        let mut running = Running::start(self, name);
        let backlog = (BACKLOG * at_once).max(SHORTEST_BACKLOG);
        let warm_up = backlog / 4;
        running.submitter.say(&format!("fill {warm_up}"));
        let before = running.cpu();
        running.submitter.say(&format!("fill {}", backlog - warm_up));
        let filled = running.cpu();
        running.work(at_once);
        let began = running.until(warm_up);
        let warm = running.cpu();
        let ended = running.until(backlog);
        let done = running.cpu();
        let counted = (backlog - warm_up) as f64;
        let filling = |of: fn(&Cpu) -> f64| (of(&filled) - of(&before)) / counted;
        let working = |of: fn(&Cpu) -> f64| (of(&done) - of(&warm)) / counted;
        let both = |of: fn(&Cpu) -> f64| 1e6 * (filling(of) + working(of));
        Throughput {
            per_second: counted / (ended - began),
            worker: 1e6 * working(|cpu| cpu.worker),
            service: both(|cpu| cpu.service),
            submitter: both(|cpu| cpu.submitter),
        }
    }

    /// Jobs at each of the rates, one after another.
    pub(crate) fn latency(&self, name: String) -> Vec<Latency> {
        let mut running = Running::start(self, name);
        running.work(PACED_AT_ONCE);
        running.submitter.say("fill 100");
        running.until(100);
        RATES.iter().map(|rate| running.pace(*rate)).collect()
    }

    /// Runs of a workflow, so many in flight.
    pub(crate) fn runs(&self, name: String, in_flight: usize) -> Runs {
        let mut running = Running::start(self, name);
        running.work(RUN_AT_ONCE);
        running.submitter.say("runs 10 1");
        let (before, began) = (running.cpu(), Instant::now());
        let count = (RUNS * in_flight).max(FEWEST_RUNS);
        let took = running.submitter.say(&format!("runs {count} {in_flight}"));
        let (elapsed, after) = (began.elapsed().as_secs_f64(), running.cpu());
        let took = took["took"].as_array().unwrap().iter().map(|seconds| seconds.as_f64().unwrap() * 1000.0);
        let cpu = 1000.0 * (after.all() - before.all()) / count as f64;
        Runs { per_second: count as f64 / elapsed, latency: Latency::of(took.collect()), cpu }
    }

    pub(crate) fn command(&self, name: &str, role: Role, at_once: usize) -> Command {
        let mut command = (self.program)(name);
        command.env("BENCH_NAME", name).env("BENCH_ROLE", role.as_str()).env("BENCH_AT_ONCE", at_once.to_string());
        command
    }
}

impl<'a> Running<'a> {
    fn start(side: &'a Side, name: String) -> Self {
        let mut submitter = Program::start(side.command(&name, Role::Submit, 1));
        submitter.wait_until_ready();
        Self { side, name, service: cpu::listener(side.service), submitter, worker: None, heard: 0 }
    }

    fn work(&mut self, at_once: usize) {
        let mut worker = Program::start(self.side.command(&self.name, Role::Work, at_once));
        if self.side.teller == Role::Work {
            worker.wait_until_ready();
        }
        self.worker = Some(worker);
    }

    fn teller(&mut self) -> &mut Program {
        match self.side.teller {
            Role::Submit => &mut self.submitter,
            Role::Work => self.worker.as_mut().unwrap(),
        }
    }

    /// Waits for the end of so many jobs in all; when the last of them ended.
    fn until(&mut self, count: usize) -> f64 {
        self.heard = count;
        self.teller().say(&format!("until {count}"))["at"].as_f64().unwrap()
    }

    fn pace(&mut self, rate: usize) -> Latency {
        let count = rate * PACED_SECONDS;
        let sent = self.submitter.say(&format!("pace {count} {rate}"));
        self.until(self.heard + count);
        let ends = times(&self.teller().say("ends")["ends"]);
        Latency::of(times(&sent["sent"]).iter().map(|(id, at)| (ends[id] - at) * 1000.0).collect())
    }

    fn cpu(&self) -> Cpu {
        Cpu {
            worker: self.worker.as_ref().map_or(0.0, Program::cpu),
            service: cpu::of_tree(self.service),
            submitter: self.submitter.cpu(),
        }
    }
}

/// Seconds of the processor.
struct Cpu {
    worker: f64,
    service: f64,
    submitter: f64,
}

impl Cpu {
    fn all(&self) -> f64 {
        self.worker + self.service + self.submitter
    }
}

/// Pairs of an id and a time.
fn times(pairs: &Value) -> HashMap<String, f64> {
    let pairs = pairs.as_array().unwrap().iter();
    pairs.map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].as_f64().unwrap())).collect()
}
