//! What each metric of the backplane says.

use metrics::{counter, describe_counter, describe_histogram};

/// What a connection to the broker is for.
const PURPOSES: [&str; 5] = ["control", "events", "jobs", "publish", "schedules"];

/// Describes the metrics, and begins with zero what counts faults: a first one is a rise then.
pub fn describe_metrics() {
    describe_counter!(
        "bellwire_broker_reconnects_total",
        "Times that a connection to the broker, or what it reads there, was lost or could not be made, by what it is for."
    );
    describe_histogram!(
        "bellwire_publish_seconds",
        "From the publishing of a message until the broker has confirmed it, or it is given up; repetitions included."
    );
    describe_counter!("bellwire_publish_retries_total", "Repetitions of messages that were not confirmed.");
    describe_counter!(
        "bellwire_publish_failures_total",
        "Messages that were given up: refused, or the broker is away."
    );
    PURPOSES.into_iter().for_each(|purpose| reconnects(purpose).increment(0));
    counter!("bellwire_publish_retries_total").increment(0);
    counter!("bellwire_publish_failures_total").increment(0);
}

/// Counts what was lost of a connection.
pub(crate) fn reconnects(purpose: &'static str) -> metrics::Counter {
    counter!("bellwire_broker_reconnects_total", "purpose" => purpose)
}
