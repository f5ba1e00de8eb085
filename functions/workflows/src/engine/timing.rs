//! Jitter, backoff and the clock.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use jiff::Timestamp;
use runtime::DatabaseError;
use tracing::{error, info, warn};

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Give or take a quarter, so that processes do not act in step.
pub(crate) fn jittered(time: Duration) -> Duration {
    time.mul_f64(rand::random_range(0.75..1.25))
}

/// The pauses while the database is away; they never end.
pub(crate) fn backoff() -> ExponentialBuilder {
    let pauses = ExponentialBuilder::new().with_min_delay(Duration::from_millis(250)).without_max_times();
    pauses.with_max_delay(Duration::from_secs(10)).with_jitter()
}

/// Repeats work until the database has answered; `None` if it refuses, since it would refuse again.
pub(crate) async fn until_answered<T, F>(failure: &str, work: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, DatabaseError>>,
{
    let mut has_failed = false;
    let is_transient = |error: &DatabaseError| !matches!(error, DatabaseError::Refused(_));
    let answer = work.retry(backoff()).when(is_transient).notify(|error, _| {
        has_failed = true;
        warn!(%error, "{failure}; it is tried again");
    });
    match answer.await {
        Ok(answer) => {
            if has_failed {
                info!("the database answers again");
            }
            Some(answer)
        }
        Err(error) => {
            error!(%error, "{failure}, and will not be");
            None
        }
    }
}
