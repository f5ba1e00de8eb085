//! What each metric of a gateway says, for `/metrics`; `docs/metrics.md` lists them.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram};

/// Why a socket is closed that did nothing wrong.
pub(crate) const SOCKET_FULL: &str = "full";
pub(crate) const SOCKET_WAITED: &str = "waiting";

/// Describes all of them, and begins with zero what counts faults: a first one is a rise then.
pub(crate) fn describe() {
    describe_connections();
    describe_log();
    describe_tasks();
    for why in ["stop", "age", "balance"] {
        counter!("bellwire_connections_moved_total", "why" => why).increment(0);
    }
    for reason in [SOCKET_FULL, SOCKET_WAITED] {
        counter!("bellwire_sockets_closed_total", "reason" => reason).increment(0);
    }
}

fn describe_connections() {
    describe_gauge!("bellwire_connections", "Connections that listen, those of clients that poll included.");
    describe_counter!("bellwire_connections_ended_total", "Connections that have ended, by the reason that was told.");
    describe_counter!(
        "bellwire_connections_slow_total",
        "Connections ended because they read more slowly than events came."
    );
    describe_counter!(
        "bellwire_connections_moved_total",
        "Connections that were told to go elsewhere, and why: the pod stops (stop), their age, or others hold fewer (balance)."
    );
    describe_gauge!("bellwire_connections_surplus", "Connections that should go to other pods, which hold fewer.");
    describe_gauge!(
        "bellwire_permits",
        "What is taken of a kind of place: connections, requests, hub_requests, much_json, delayed_posts."
    );
    describe_gauge!(
        "bellwire_permits_limit",
        "How many places of the kind this pod has; of connections, its capacity."
    );
    describe_gauge!("bellwire_sockets", "Open sockets of the port.");
    describe_gauge!("bellwire_sockets_limit", "How many sockets the port may have open.");
    describe_counter!(
        "bellwire_sockets_closed_total",
        "Sockets closed because all were in use (full), or to make room while they waited (waiting)."
    );
    describe_gauge!(
        "bellwire_tls_certificate_expires_seconds",
        "When the certificate that is shown expires, in seconds since 1970."
    );
    describe_counter!("bellwire_provider_reads_total", "Readings of an identity provider's keys, by result.");
    describe_counter!("bellwire_control_dropped_total", "Messages of other pods that were dropped, by reason.");
}

fn describe_log() {
    describe_gauge!("bellwire_environment_ready", "1 while this pod serves the environment: its log is read.");
    describe_gauge!(
        "bellwire_log_last_entry_timestamp_seconds",
        "When the last entry of the log was read, in seconds since 1970; without events there is a pulse every 15 s."
    );
    describe_gauge!(
        "bellwire_log_lag_seconds",
        "The shortest time from an event's `time` to its reading, of those read in the last 5 s in which any was."
    );
    describe_gauge!("bellwire_window_entries", "Entries of the log in memory.");
    describe_gauge!("bellwire_window_bytes", "Bytes of the log in memory.");
    describe_counter!(
        "bellwire_resumes_total",
        "Subscriptions with a cursor: joined there, after this pod had caught up (waited), lost, or refused as too many."
    );
    describe_histogram!("bellwire_replayed_events", "Events that a subscription with a cursor was sent again.");
    describe_counter!("bellwire_gaps_total", "Breaks of the log while it was read, by reason.");
    describe_counter!("bellwire_deliveries_total", "Events put into a connection's outbox.");
    describe_histogram!(
        "bellwire_event_to_socket_seconds",
        "From an event's `time` until it was written to those who listen here; of each event that somebody got live."
    );
    describe_counter!("bellwire_events_dropped_total", "Entries of the log that are no event anybody may see.");
    describe_counter!("bellwire_events_repeated_total", "Events that came again and were shown once.");
}

fn describe_tasks() {
    describe_counter!("bellwire_task_events_foreign_total", "Events that name another owner than their task has.");
    describe_gauge!(
        "bellwire_tasks_queued",
        "Tasks of the kind that may begin and that no worker has begun; all pods say the same."
    );
    describe_gauge!(
        "bellwire_tasks_oldest_queued_seconds",
        "How long the oldest of those waits; 0 without any. All pods say the same."
    );
    describe_counter!("bellwire_schedules_total", "Due times of schedules, by what became of them.");
}
