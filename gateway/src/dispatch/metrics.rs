//! The metrics of a dispatcher.

use metrics::{Counter, Gauge, counter, gauge};
use model::Environment;

/// Looked up once, since some count every delivery.
pub(super) struct DispatchMetrics {
    pub(super) connections: Gauge,
    pub(super) deliveries: Counter,
    pub(super) dropped: Counter,
    pub(super) repeated: Counter,
    pub(super) slow: Counter,
    pub(super) foreign: Counter,
}

impl DispatchMetrics {
    pub(super) fn new(environment: &Environment) -> Self {
        let name = environment.to_string();
        Self {
            connections: gauge!("bellwire_connections", "environment" => name.clone()),
            deliveries: counter!("bellwire_deliveries_total", "environment" => name.clone()),
            dropped: counter!("bellwire_events_dropped_total", "environment" => name.clone()),
            repeated: counter!("bellwire_events_repeated_total", "environment" => name.clone()),
            slow: counter!("bellwire_connections_slow_total", "environment" => name.clone()),
            foreign: counter!("bellwire_task_events_foreign_total", "environment" => name),
        }
    }
}
