//! Small JSON files in a folder of an environment that is no owner's.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};

use crate::{
    error::{StorageError, is_missing},
    remove_older::remove_older,
    request_limits::RequestLimits,
};

/// The most bytes of a file.
const MAX_BYTES: u64 = 4 << 20;
const SUFFIX: &str = ".json";

/// The files of a folder; cheap to clone.
#[derive(Clone)]
pub(crate) struct Records {
    store: Arc<dyn ObjectStore>,
    request_limits: RequestLimits,
    folder: Arc<str>,
}

impl Records {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, request_limits: RequestLimits, folder: String) -> Self {
        Self { store, request_limits, folder: folder.into() }
    }

    /// Stores a file in place of an older one; `name` is a safe part of a path.
    pub(crate) async fn put(&self, name: &str, bytes: Bytes) -> Result<(), StorageError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(StorageError::TooLarge(MAX_BYTES));
        }
        self.store.put(&self.path(name)?, bytes.into()).await.map(drop).map_err(StorageError::of_store)
    }

    /// A file's content; none if it is not there.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<Bytes>, StorageError> {
        let file = match self.store.get(&self.path(name)?).await {
            Err(error) if is_missing(&error) => return Ok(None),
            found => found.map_err(StorageError::of_store)?,
        };
        if file.meta.size > MAX_BYTES {
            return Err(StorageError::TooLarge(MAX_BYTES));
        }
        self.request_limits.answer(file.bytes()).await.map(Some).map_err(StorageError::of_store)
    }

    /// The names of all files.
    pub(crate) async fn names(&self) -> Result<Vec<String>, StorageError> {
        let folder = Path::parse(&*self.folder).map_err(failed)?;
        let files: Vec<ObjectMeta> =
            self.store.list(Some(&folder)).try_collect().await.map_err(StorageError::of_store)?;
        let name = |file: &ObjectMeta| Some(file.location.filename()?.strip_suffix(SUFFIX)?.to_owned());
        Ok(files.iter().filter_map(name).collect())
    }

    /// Removes the files that were stored before a time; returns their number, at most 10,000.
    pub(crate) async fn remove_older(&self, before: SystemTime) -> Result<u64, StorageError> {
        let folder = Path::parse(&*self.folder).map_err(failed)?;
        remove_older(&*self.store, &folder, |_| true, before).await
    }

    fn path(&self, name: &str) -> Result<Path, StorageError> {
        Path::parse(format!("{}/{name}{SUFFIX}", self.folder)).map_err(failed)
    }
}

fn failed(error: object_store::path::Error) -> StorageError {
    StorageError::Failed(error.to_string())
}
