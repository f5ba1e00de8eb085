//! What is kept of an environment's schedules: one file of the process that starts them, and one for each that a person has paused or
//! started.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::Kind;

use crate::{error::StorageError, records::Records};

/// Files read at once.
const AT_ONCE: usize = 8;
/// No kind has this name: it has a dot.
const STATE: &str = "state.all";

/// The files of one environment's schedules; cheap to clone.
#[derive(Clone)]
pub struct ScheduleFiles(Records);

impl ScheduleFiles {
    pub(crate) fn new(records: Records) -> Self {
        Self(records)
    }

    /// What the process that starts them has kept; none at first.
    pub async fn state(&self) -> Result<Option<Bytes>, StorageError> {
        self.0.read(STATE).await
    }

    /// Keeps this in its place.
    pub async fn put_state(&self, bytes: Bytes) -> Result<(), StorageError> {
        self.0.put(STATE, bytes).await
    }

    /// What was said about each schedule, by its kind and name.
    pub async fn said(&self) -> Result<Vec<(Kind, String, Bytes)>, StorageError> {
        let names = self.0.names().await?;
        let named = names.into_iter().filter_map(|file| {
            let (kind, name) = file.split_once("..")?;
            Some((kind.parse::<Kind>().ok()?, name.to_owned(), file.clone()))
        });
        let read = named.map(|(kind, name, file)| async move {
            Ok::<_, StorageError>(self.0.read(&file).await?.map(|bytes| (kind, name, bytes)))
        });
        let read: Vec<_> = stream::iter(read).buffered(AT_ONCE).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// What was said about one.
    pub async fn said_of(&self, kind: &Kind, name: &str) -> Result<Option<Bytes>, StorageError> {
        self.0.read(&file_of(kind, name)).await
    }

    /// Says this about one, in place of what was said before.
    pub async fn say(&self, kind: &Kind, name: &str, bytes: Bytes) -> Result<(), StorageError> {
        self.0.put(&file_of(kind, name), bytes).await
    }
}

/// Two dots, which neither has.
fn file_of(kind: &Kind, name: &str) -> String {
    format!("{kind}..{name}")
}
