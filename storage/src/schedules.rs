//! What is kept of an environment's schedules: one file of the process that starts them, and one for each that a person has paused or
//! started.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::Kind;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};

use crate::error::StorageError;

/// The most bytes of a file.
const MAX_BYTES: u64 = 4 << 20;
/// Files read at once.
const AT_ONCE: usize = 8;
const SUFFIX: &str = ".json";
/// No kind has this name: it has a dot.
const STATE: &str = "state.all";

/// The files of one environment's schedules; cheap to clone.
#[derive(Clone)]
pub struct ScheduleFiles {
    store: Arc<dyn ObjectStore>,
    folder: Arc<str>,
}

impl ScheduleFiles {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, folder: String) -> Self {
        Self { store, folder: folder.into() }
    }

    /// What the process that starts them has kept; none at first.
    pub async fn state(&self) -> Result<Option<Bytes>, StorageError> {
        self.read(&self.path(STATE)?).await
    }

    /// Keeps this in its place.
    pub async fn put_state(&self, bytes: Bytes) -> Result<(), StorageError> {
        self.put(STATE, bytes).await
    }

    /// What was said about each schedule, by its kind and name.
    pub async fn said(&self) -> Result<Vec<(Kind, String, Bytes)>, StorageError> {
        let folder = Path::parse(&*self.folder).map_err(failed)?;
        let files = self.store.list(Some(&folder)).try_collect::<Vec<ObjectMeta>>().await;
        let files = files.map_err(StorageError::of_store)?;
        let named = files.into_iter().filter_map(|file| {
            let (kind, name) = file.location.filename()?.strip_suffix(SUFFIX)?.split_once("..")?;
            Some((kind.parse::<Kind>().ok()?, name.to_owned(), file.location.clone()))
        });
        let read = named.map(|(kind, name, path)| async move {
            Ok::<_, StorageError>(self.read(&path).await?.map(|bytes| (kind, name, bytes)))
        });
        let read: Vec<_> = stream::iter(read).buffered(AT_ONCE).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// What was said about one.
    pub async fn said_of(&self, kind: &Kind, name: &str) -> Result<Option<Bytes>, StorageError> {
        self.read(&self.path(&file_of(kind, name))?).await
    }

    /// Says this about one, in place of what was said before.
    pub async fn say(&self, kind: &Kind, name: &str, bytes: Bytes) -> Result<(), StorageError> {
        self.put(&file_of(kind, name), bytes).await
    }

    async fn put(&self, file: &str, bytes: Bytes) -> Result<(), StorageError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(StorageError::TooLarge(MAX_BYTES));
        }
        self.store.put(&self.path(file)?, bytes.into()).await.map(drop).map_err(StorageError::of_store)
    }

    async fn read(&self, path: &Path) -> Result<Option<Bytes>, StorageError> {
        let file = match self.store.get(path).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(StorageError::of_store)?,
        };
        if file.meta.size > MAX_BYTES {
            return Err(StorageError::TooLarge(MAX_BYTES));
        }
        file.bytes().await.map(Some).map_err(StorageError::of_store)
    }

    fn path(&self, file: &str) -> Result<Path, StorageError> {
        Path::parse(format!("{}/{file}{SUFFIX}", self.folder)).map_err(failed)
    }
}

/// Two dots, which neither has.
fn file_of(kind: &Kind, name: &str) -> String {
    format!("{kind}..{name}")
}

fn failed(error: object_store::path::Error) -> StorageError {
    StorageError::Failed(error.to_string())
}
