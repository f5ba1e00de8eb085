//! One attack: the others before it and during it.

use std::time::{Duration, Instant};

use crate::{
    attack::Attack,
    child::{Process, wait},
    others::{Latency, Others},
    pod::Pod,
};

/// How long the others are looked at, each time.
const SECONDS: u32 = 20;
/// From the beginning of an attack until it is looked at, and from its end until the next.
const SETTLING: Duration = Duration::from_secs(2);

/// What an attack did to others.
pub(crate) struct Round {
    pub(crate) before: Latency,
    pub(crate) during: Latency,
    /// MiB of the gateway's memory that are resident.
    pub(crate) memory_before: f64,
    pub(crate) memory_most: f64,
    /// The part of a core that the gateway took during the attack.
    pub(crate) processor: f64,
    /// How often the attacker got which answer.
    pub(crate) answers: String,
}

impl Round {
    pub(crate) fn ratio(&self) -> f64 {
        self.during.p99 / self.before.p99
    }
}

/// Looks at the others, attacks, and looks again.
pub(crate) fn measure(attack: &Attack, pod: &Pod, others: &mut Others) -> Round {
    let before = others.latency(SECONDS, || {});
    let memory_before = mebibytes(pod);
    let mut memory_most = memory_before;
    let mut attacker = Process::start(&["attack", attack.name, &pod.address]);
    attacker.hear("attacking");
    wait(SETTLING);
    let (begun, taken) = (Instant::now(), pod.process.processor());
    let during = others.latency(SECONDS, || memory_most = mebibytes(pod).max(memory_most));
    let processor = (pod.process.processor() - taken).div_duration_f64(begun.elapsed());
    attacker.tell("stop");
    let answers = attacker.hear("answers");
    drop(attacker);
    wait(SETTLING);
    Round { before, during, memory_before, memory_most, processor, answers }
}

fn mebibytes(pod: &Pod) -> f64 {
    pod.process.resident() / f64::from(1 << 20)
}
