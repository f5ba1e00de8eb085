//! The descriptions of an environment's functions: one small JSON file for each kind.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use model::Kind;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};

use crate::error::StorageError;

/// Most bytes of one description.
pub const MAX_ENTRY_BYTES: u64 = 4 << 20;
/// Files read at once.
const AT_ONCE: usize = 8;
const SUFFIX: &str = ".json";

/// The description of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The kind.
    pub kind: Kind,
    /// Its description, as it was stored.
    pub bytes: Bytes,
}

/// The catalogue of one environment; cheap to clone.
#[derive(Clone)]
pub struct Catalogue {
    store: Arc<dyn ObjectStore>,
    folder: Arc<str>,
}

impl Catalogue {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, folder: String) -> Self {
        Self { store, folder: folder.into() }
    }

    /// Stores a kind's description in place of an older one.
    pub async fn put(&self, kind: &Kind, bytes: Bytes) -> Result<(), StorageError> {
        if bytes.len() as u64 > MAX_ENTRY_BYTES {
            return Err(StorageError::TooLarge(MAX_ENTRY_BYTES));
        }
        let path = self.path(&format!("/{kind}{SUFFIX}"))?;
        self.store.put(&path, bytes.into()).await.map(drop).map_err(StorageError::of_store)
    }

    /// The descriptions of all kinds, by name.
    pub async fn all(&self) -> Result<Vec<Entry>, StorageError> {
        let folder = self.path("")?;
        let files = self.store.list(Some(&folder)).try_collect::<Vec<ObjectMeta>>().await;
        let files = files.map_err(StorageError::of_store)?;
        let kinds = files.into_iter().filter(|file| file.size <= MAX_ENTRY_BYTES).filter_map(|file| {
            let kind = file.location.filename()?.strip_suffix(SUFFIX)?.parse::<Kind>().ok()?;
            Some((kind, file.location))
        });
        let mut entries: Vec<Entry> = futures_util::stream::iter(kinds.map(|(kind, path)| self.read(kind, path)))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        entries.sort_unstable_by(|one, other| one.kind.as_str().cmp(other.kind.as_str()));
        Ok(entries)
    }

    async fn read(&self, kind: Kind, path: Path) -> Result<Entry, StorageError> {
        let file = self.store.get(&path).await.map_err(StorageError::of_store)?;
        Ok(Entry { kind, bytes: file.bytes().await.map_err(StorageError::of_store)? })
    }

    fn path(&self, rest: &str) -> Result<Path, StorageError> {
        Path::parse(format!("{}{rest}", self.folder)).map_err(|error| StorageError::Failed(error.to_string()))
    }
}
