//! Blocking work on a thread of its own.

use tokio::task::spawn_blocking;

/// The process shut down before the work was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the process ends")]
pub struct ShutDown;

/// Runs blocking work; a panic in it is a panic here.
pub async fn run<T: Send + 'static, E: From<ShutDown> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(ShutDown.into()),
    }
}
