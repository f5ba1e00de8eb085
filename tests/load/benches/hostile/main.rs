//! One hostile person with a token, beside 500 others who listen: how much later the others get their events while the
//! person does each of the things that a limit is for, what the gateway's memory grows to, and how the person is answered.
//! `make bench` runs it; names of attacks after `--` choose some.
//!
//! Gateway and attacker are processes of their own: this program again, with a first argument that says which. The attacker
//! runs when nothing else does (`SCHED_IDLE`), since elsewhere it would not be on the gateway's machine.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{env, process::ExitCode};

use load::files;

mod attack;
#[path = "../processes/child.rs"]
mod child;
mod client;
mod others;
#[path = "../processes/pod.rs"]
mod pod;
mod round;

use attack::ATTACKS;
use others::Others;
use pod::Pod;
use round::{Round, measure};

/// The settings of the gateway under attack; all others are the defaults.
const SETTINGS: &str = "largest_file = '16MiB'";
/// Others' p99 during an attack, beside that before it.
const AIM: f64 = 2.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["gateway", settings] => pod::live(settings),
        ["attack", name, address] => attack::live(name, address),
        _ => measure_all(&arguments),
    }
}

fn measure_all(arguments: &[&str]) -> ExitCode {
    files::raise_limit().unwrap();
    let test_backplane = others::backplane();
    let pod = Pod::start(&test_backplane, SETTINGS);
    let mut others = Others::listen(&test_backplane, &pod.address);
    println!(
        "one person attacks, {} others listen to {} events a second; milliseconds until an event has reached all of them, \
         before and during (p99 during / before ≤ {AIM})",
        others::COUNT,
        others::PER_SECOND,
    );
    println!(
        "  {:<24} {:>15} {:>15} {:>6}   {:>22} {:>5}   answers to the attacker",
        "", "before p50/p99", "during p50/p99", "ratio", "memory before/most MiB", "cores"
    );
    let named = |name: &str| arguments.contains(&name);
    let chosen = ATTACKS.iter().filter(|attack| named(attack.name) || !ATTACKS.iter().any(|any| named(any.name)));
    let mut is_within_aim = true;
    for attack in chosen {
        let round = measure(attack, &pod, &mut others);
        is_within_aim &= round.ratio() <= AIM;
        println!("{}", row(attack.name, &round));
    }
    if !is_within_aim {
        println!("  beyond the aim at least once; on a machine that others use, run it again");
    }
    ExitCode::SUCCESS
}

fn row(name: &str, round: &Round) -> String {
    let [before, during] =
        [&round.before, &round.during].map(|latency| format!("{:.1}/{:.1}", latency.p50, latency.p99));
    let memory = format!("{:.0}/{:.0}", round.memory_before, round.memory_most);
    format!(
        "  {name:<24} {before:>15} {during:>15} {:>6.2}   {memory:>22} {:>5.2}   {}",
        round.ratio(),
        round.processor,
        round.answers
    )
}
