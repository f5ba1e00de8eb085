//! Finds what this pod may not have heard of yet.

use super::problem::Problem;
use crate::dispatch::handle::{DispatcherEnded, DispatcherHandle};

/// What is found at once, or else after the log was read to its end: another pod may be a moment ahead, and whoever asks may know
/// from it. 503 where the log cannot be read to its end now.
pub(super) async fn find<T, F>(dispatch: &DispatcherHandle, look: impl Fn() -> F) -> Result<Option<T>, Problem>
where
    F: Future<Output = Result<Option<T>, DispatcherEnded>>,
{
    if let Some(found) = look().await? {
        return Ok(Some(found));
    }
    if !dispatch.catch_up().await? {
        return Err(Problem::unavailable("it is not known here, and the log cannot be read to its end now"));
    }
    Ok(look().await?)
}
