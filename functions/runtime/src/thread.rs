//! Work that would hold up the runtime, on a thread of its own.

use tokio::task::spawn_blocking;

/// The runtime ended before the work was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the process ends")]
pub struct Ended;

/// Does it; a panic there is a panic here.
pub async fn run<T: Send + 'static, E: From<Ended> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Ended.into()),
    }
}
