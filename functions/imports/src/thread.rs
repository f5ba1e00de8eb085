//! Work that would hold up the runtime, on a thread of its own.

use runtime::Failure;
use tokio::task::spawn_blocking;

/// Does it; a panic there is a panic here.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime ends.
        Err(_) => Err(Failure::Stopped),
    }
}
