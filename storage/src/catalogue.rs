//! What the functions of an environment say of themselves: one small JSON file for each kind.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use model::Kind;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};

use crate::files::StorageError;

/// Most bytes of one kind's words.
pub const MAX_ENTRY_BYTES: u64 = 4 << 20;
/// Kinds that are read at once.
const AT_ONCE: usize = 8;
const SUFFIX: &str = ".json";

/// What one kind says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub kind: Kind,
    /// Its words, as they were put.
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

    /// Puts a kind's words in place of those that it had.
    pub async fn put(&self, kind: &Kind, bytes: Bytes) -> Result<(), StorageError> {
        if bytes.len() as u64 > MAX_ENTRY_BYTES {
            return Err(StorageError::TooLarge(MAX_ENTRY_BYTES));
        }
        let path = self.path(&format!("/{kind}{SUFFIX}"))?;
        let put = self.store.put(&path, bytes.into()).await;
        put.map(drop).map_err(|error| StorageError::of_store(&error))
    }

    /// The words of all kinds, by name.
    pub async fn all(&self) -> Result<Vec<Entry>, StorageError> {
        let folder = self.path("")?;
        let files: Vec<ObjectMeta> =
            self.store.list(Some(&folder)).try_collect().await.map_err(|error| StorageError::of_store(&error))?;
        let kinds = files.into_iter().filter(|file| file.size <= MAX_ENTRY_BYTES).filter_map(|file| {
            let kind = file.location.filename()?.strip_suffix(SUFFIX)?.parse::<Kind>().ok()?;
            Some((kind, file.location))
        });
        let mut entries: Vec<Entry> = futures_util::stream::iter(kinds.map(|(kind, at)| self.read(kind, at)))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        entries.sort_unstable_by(|one, other| one.kind.as_str().cmp(other.kind.as_str()));
        Ok(entries)
    }

    async fn read(&self, kind: Kind, at: Path) -> Result<Entry, StorageError> {
        let of_store = |error| StorageError::of_store(&error);
        let bytes = self.store.get(&at).await.map_err(of_store)?.bytes().await.map_err(of_store)?;
        Ok(Entry { kind, bytes })
    }

    fn path(&self, rest: &str) -> Result<Path, StorageError> {
        Path::parse(format!("{}{rest}", self.folder)).map_err(|error| StorageError::Failed(error.to_string()))
    }
}
