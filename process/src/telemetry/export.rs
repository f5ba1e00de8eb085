//! The bounded queue of spans that have ended, and the task that sends them in batches.
//!
//! An own one, since the library's batches do not say how many spans they drop, and take a thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use metrics::{Counter, counter, describe_counter};
use opentelemetry::Context;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter as _, SpanProcessor},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Spans that wait to be sent; one more is dropped.
const QUEUE: usize = 2048;
/// Most spans of one request.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const INTERVAL: Duration = Duration::from_secs(1);
/// The pauses before a batch that was not taken is sent again; then it is dropped.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// No attempt begins later than this after the first.
const LONGEST: Duration = Duration::from_secs(16);

/// Where spans go when they end.
#[derive(Debug)]
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    dropped: Counter,
}

/// What takes them from there to the collector.
pub(super) struct Export {
    spans: mpsc::Receiver<SpanData>,
    exporter: SpanExporter,
    /// Set while the collector answers that it will not take what it was sent.
    is_refused: Arc<AtomicBool>,
    sent: Counter,
    dropped: Counter,
    /// Cancelled when the process ends: what waits is sent once.
    closing: CancellationToken,
}

/// An empty queue, and its other end.
pub(super) fn queue(
    exporter: SpanExporter,
    is_refused: Arc<AtomicBool>,
    closing: CancellationToken,
) -> (Queue, Export) {
    describe_counter!("bellwire_spans_sent_total", "Spans that the collector of traces has taken.");
    describe_counter!("bellwire_spans_dropped_total", "Spans that were dropped since the collector did not take them.");
    let (sender, spans) = mpsc::channel(QUEUE);
    let (sent, full, refused) = (
        counter!("bellwire_spans_sent_total"),
        counter!("bellwire_spans_dropped_total", "reason" => "full"),
        counter!("bellwire_spans_dropped_total", "reason" => "refused"),
    );
    (Queue { spans: sender, dropped: full }, Export { spans, exporter, is_refused, sent, dropped: refused, closing })
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.dropped.increment(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    /// The exporter has it already.
    fn set_resource(&mut self, _: &Resource) {}
}

impl Export {
    /// Sends until it is told to close, and then once what is left.
    pub(super) async fn run(mut self) {
        while !self.closing.is_cancelled() {
            let batch = self.gather().await;
            self.send(batch).await;
        }
        self.spans.close();
        loop {
            let mut batch = Vec::new();
            if self.spans.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            self.send(batch).await;
        }
    }

    /// The spans of an interval, from the first on.
    async fn gather(&mut self) -> Vec<SpanData> {
        let mut batch = Vec::new();
        // Nobody can end a span any more.
        let closed = || self.closing.cancel();
        let gathered = async {
            if self.spans.recv_many(&mut batch, BATCH).await == 0 {
                return closed();
            }
            let end = Instant::now() + INTERVAL;
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                match timeout_at(end, self.spans.recv_many(&mut batch, room)).await {
                    Ok(0) => return closed(),
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        };
        tokio::select! {
            () = gathered => {}
            () = self.closing.cancelled() => {}
        }
        batch
    }

    /// Sends a batch, again and again unless the process ends.
    async fn send(&self, batch: Vec<SpanData>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let mut pauses = PAUSES.into_iter();
        let end = Instant::now() + LONGEST;
        loop {
            match self.exporter.export(batch.clone()).await {
                Ok(()) => return self.sent.increment(count),
                // Why is in the log already.
                Err(error) => debug!(%error, count, "spans were not taken"),
            }
            let is_over = self.closing.is_cancelled() || self.is_refused.load(Ordering::Relaxed);
            let Some(pause) = pauses.next().filter(|pause| !is_over && Instant::now() + *pause <= end) else { break };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.closing.cancelled() => {}
            }
        }
        self.dropped.increment(count);
    }
}
