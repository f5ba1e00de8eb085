//! Removes old files; any number of processes may do so at once, since what another removes at the same time is no error.

use std::time::SystemTime;

use futures_util::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use crate::error::{StorageError, is_missing};

/// The most files that one call removes; what is left is found by the next.
pub(crate) const MAX_REMOVED: u64 = 10_000;

/// Removes the files below a folder that are meant and were stored before a time; returns their number, at most 10,000.
pub(crate) async fn remove_older(
    store: &dyn ObjectStore,
    folder: &Path,
    is_meant: impl Fn(&Path) -> bool,
    before: SystemTime,
) -> Result<u64, StorageError> {
    let (mut files, mut removed) = (store.list(Some(folder)), 0);
    while removed < MAX_REMOVED
        && let Some(file) = files.try_next().await.map_err(StorageError::of_store)?
    {
        if !is_meant(&file.location) || SystemTime::from(file.last_modified) >= before {
            continue;
        }
        match store.delete(&file.location).await {
            Ok(()) => removed += 1,
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(StorageError::of_store(error)),
        }
    }
    Ok(removed)
}
