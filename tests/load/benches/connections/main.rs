//! What a gateway takes to hold connections and to write to them, on each wire: resident bytes for each idle one, and
//! processor time for each delivery beside a bare loop that writes the same bytes to as many sockets. `make bench`
//! runs it.
//!
//! Gateway, floor and listeners are processes of their own: this program again, with a first argument that says which.
//! Events are published to the log from here. Each listener must get every event, in order.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{env, process::ExitCode};

use load::{Wire, files};

#[path = "../processes/child.rs"]
mod child;
mod floor;
mod listening;
mod measure;
#[path = "../processes/pod.rs"]
mod pod;
mod publisher;

use measure::{Costs, Measured};

/// Idle connections whose memory is looked at.
const IDLE: usize = 10_000;
/// Connections that events are written to.
const LISTENERS: usize = 2_000;
/// Files that a process has open beside its connections.
const OTHER_FILES: usize = 200;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["gateway", settings] => pod::live(settings),
        ["floor", count] => floor::live(count.parse().unwrap()),
        ["listen", wire, target, count, first] => listening::live(wire, target, count, first),
        // Cargo says `--bench`; wires may be named after `--`.
        _ => {
            let named: Vec<_> = arguments.iter().filter_map(|name| Wire::named(name)).collect();
            measure_all(if named.is_empty() { &Wire::ALL } else { &named })
        }
    }
}

fn measure_all(wires: &[Wire]) -> ExitCode {
    let idle = IDLE.min(files::raise_limit().unwrap().saturating_sub(OTHER_FILES));
    let listeners = LISTENERS.min(idle);
    if idle < IDLE {
        println!("only {idle} connections: no more files may be open here (ulimit -Hn)");
    }
    println!(
        "{idle} idle connections, then {listeners} that each get every event; processor time of a delivery in µs, \
         beside one bare write of the same bytes; the aims are in parentheses"
    );
    for &wire in wires {
        let measured = measure::measure(wire, idle, listeners);
        println!("{}", row(wire, &measured));
    }
    ExitCode::SUCCESS
}

fn row(wire: Wire, measured: &Measured) -> String {
    let aim = if matches!(wire, Wire::HubJson | Wire::HubMessagePack) { 6 } else { 13 };
    let Measured { frame, idle, idle_written, paced, saturated } = measured;
    let [idle, idle_written] = [idle, idle_written].map(|bytes| bytes / 1024.0);
    format!(
        "  {:<15} {frame:>4} B   {idle:>5.2} KiB idle (≤ {aim}), {idle_written:>5.2} after an event   \
         20 events/s {} (≤ 1.3)   saturated {} (< 1)",
        wire.name(),
        side(paced),
        side(saturated),
    )
}

fn side(costs: &Costs) -> String {
    let [gateway, floor] = [costs.gateway, costs.floor].map(|time| time.as_secs_f64() * 1e6);
    format!("{gateway:>5.2} / {floor:.2} = {:.2}", costs.ratio())
}
