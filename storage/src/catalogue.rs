//! The descriptions of an environment's functions: one small JSON file for each kind.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::Kind;

use crate::{error::StorageError, records::Records};

/// Files read at once.
const AT_ONCE: usize = 8;

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
pub struct Catalogue(Records);

impl Catalogue {
    pub(crate) fn new(records: Records) -> Self {
        Self(records)
    }

    /// Stores a kind's description in place of an older one.
    pub async fn put(&self, kind: &Kind, bytes: Bytes) -> Result<(), StorageError> {
        self.0.put(kind.as_str(), bytes).await
    }

    /// The descriptions of all kinds, by name; one that is too large, which none of ours is, is left out.
    pub async fn all(&self) -> Result<Vec<Entry>, StorageError> {
        let names = self.0.names().await?;
        let reads: Vec<_> = names.iter().filter_map(|name| name.parse().ok()).map(|kind| self.read(kind)).collect();
        let read: Vec<Option<Entry>> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        let mut entries: Vec<_> = read.into_iter().flatten().collect();
        entries.sort_unstable_by(|one, other| one.kind.cmp(&other.kind));
        Ok(entries)
    }

    async fn read(&self, kind: Kind) -> Result<Option<Entry>, StorageError> {
        match self.0.read(kind.as_str()).await {
            Ok(bytes) => Ok(bytes.map(|bytes| Entry { kind, bytes })),
            Err(StorageError::TooLarge(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
