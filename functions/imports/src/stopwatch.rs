//! How long an import worked, without the time that it waited for another one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Started with an import; clones are the same watch.
#[derive(Debug, Clone)]
pub(crate) struct Stopwatch {
    started: Instant,
    waited: Arc<AtomicU64>,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), waited: Arc::default() }
    }

    /// What has passed since then was waiting.
    pub(crate) fn waited_since(&self, then: Instant) {
        self.waited.fetch_add(then.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Seconds of work so far, to the millisecond.
    pub(crate) fn seconds(&self) -> f64 {
        let waited = Duration::from_millis(self.waited.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(waited).as_millis() as f64 / 1000.0
    }
}
