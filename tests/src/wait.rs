//! Waits for conditions.

use std::time::Duration;

/// How long anything that must happen may take on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Waits for a condition that must come about.
pub async fn until<F: Future<Output = Option<T>>, T>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "it did not come about: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
