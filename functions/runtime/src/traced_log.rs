//! The log as a worker publishes to it: with a span for each event of a sampled trace, which the event names from then on.

use std::sync::Arc;

use async_trait::async_trait;
use backplane::{BatchError, Destination, EventLog, Link, LogReader, ReadFrom, SendError};
use model::{EncodedEvent, Environment, Event};
use process::telemetry::{SpanKind, Telemetry};
use tokio::sync::watch;

/// A log whose publishing is traced.
pub(crate) struct TracedLog {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) telemetry: Telemetry,
    pub(crate) environment: Environment,
}

#[async_trait]
impl EventLog for TracedLog {
    async fn publish_encoded(&self, to: Destination, event: &EncodedEvent<'_>) -> Result<(), SendError> {
        self.log.publish_encoded(to, event).await
    }

    async fn publish(&self, to: Destination, event: &Event) -> Result<(), SendError> {
        let Some(mut span) = self.telemetry.child(event.traceparent.as_deref(), SpanKind::Producer, "publish") else {
            return self.log.publish(to, event).await;
        };
        span.set("bellwire.environment", self.environment.to_string());
        span.set("bellwire.event.type", event.event_type.clone());
        let published = self.log.publish(to, &Event { traceparent: Some(span.traceparent()), ..event.clone() }).await;
        if published.is_err() {
            span.fail("not published");
        }
        published
    }

    async fn publish_all(&self, to: Destination, events: &[EncodedEvent<'_>]) -> Result<(), BatchError> {
        self.log.publish_all(to, events).await
    }

    fn read(&self, from: ReadFrom) -> LogReader {
        self.log.read(from)
    }

    async fn near_end(&self) -> Result<Option<u64>, SendError> {
        self.log.near_end().await
    }

    fn publishing(&self) -> watch::Receiver<Link> {
        self.log.publishing()
    }
}
