//! The recorder behind `/metrics`. A program has one, so it is installed once.

use std::sync::OnceLock;

use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// In seconds: from a delivery within a pod to a long import.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];

/// Of what is counted in events: the name ends so.
const EVENTS: &str = "_events";
const EVENT_BUCKETS: [f64; 6] = [1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0];

/// Installs the recorder at the first call. Earlier counts are lost, so call it early.
pub fn install_recorder() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let builder = PrometheusBuilder::new()
                .set_buckets(&BUCKETS)
                .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix(EVENTS.to_owned()), &EVENT_BUCKETS))
                .expect("there are buckets");
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another recorder of metrics is installed; /metrics stays empty");
            }
            describe_gauge!("bellwire_build_info", "1, with the version of the program.");
            gauge!("bellwire_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            handle
        })
        .clone()
}
