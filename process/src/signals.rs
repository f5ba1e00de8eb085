//! SIGTERM and SIGINT: the first asks this process to stop, the second ends it at once.

use std::io;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Listens until dropped.
#[derive(Debug)]
pub struct Signals {
    stop: CancellationToken,
    listener: JoinHandle<()>,
}

impl Signals {
    /// Handles both signals; must be called within a Tokio runtime.
    pub fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let stop = CancellationToken::new();
        let listener = tokio::spawn(listen(terminate, interrupt, stop.clone()));
        Ok(Self { stop, listener })
    }

    /// Cancelled by the first signal; clones may be handed to all parts.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn listen(mut terminate: Signal, mut interrupt: Signal, stop: CancellationToken) {
    let name = next(&mut terminate, &mut interrupt).await.0;
    tracing::info!("{name}: stopping; once more ends at once");
    stop.cancel();
    let (name, number) = next(&mut terminate, &mut interrupt).await;
    tracing::warn!("{name} again: ended at once");
    std::process::exit(128 + number);
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = terminate.recv() => ("SIGTERM", 15),
        _ = interrupt.recv() => ("SIGINT", 2),
    }
}
