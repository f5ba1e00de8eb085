//! What each metric of a worker says, for `/metrics`; `docs/metrics.md` lists them.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use model::Kind;

/// Describes them, and begins with zero what counts faults: a first one is a rise then.
pub(crate) fn describe(kind: &Kind) {
    describe_gauge!(
        "bellwire_function_waiting",
        "Jobs of the kind that wait in its queues; all its workers say the same."
    );
    describe_gauge!(
        "bellwire_function_retrying",
        "Jobs that wait for their next attempt or their time; all say the same."
    );
    describe_gauge!("bellwire_function_dead", "Jobs that were given up and lie beside the queue; all say the same.");
    describe_gauge!(
        "bellwire_definition_faults",
        "What is wrong with definitions that have changed since they were read; those from before are in use."
    );
    describe_gauge!("bellwire_function_running", "Jobs that this worker runs.");
    describe_gauge!("bellwire_function_concurrency", "Jobs that this worker runs at most.");
    describe_counter!("bellwire_function_runs_total", "Runs of the function, by how they ended.");
    describe_counter!("bellwire_function_attempts_total", "Attempts that failed, by their number.");
    describe_histogram!("bellwire_function_seconds", "How long a run took.");
    describe_counter!("bellwire_function_held_total", "Times that a job was put back for its rate.");
    describe_counter!(
        "bellwire_function_refused_total",
        "Deliveries that are no job of a gateway, which are given up."
    );
    let kind = kind.to_string();
    gauge!("bellwire_function_running", "kind" => kind.clone()).set(0.0);
    counter!("bellwire_function_held_total", "kind" => kind.clone()).increment(0);
    counter!("bellwire_function_refused_total", "kind" => kind).increment(0);
}
