//! The files of one owner.

use std::{
    fs,
    io::{self, Read},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use model::Audience;
use object_store::{GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};
use percent_encoding::percent_decode_str;
use tracing::warn;

use crate::{
    error::{StorageError, words_of},
    key::FileKey,
    layout::{file_path, id_folder},
    medium::Medium,
    notes::TaskNotes,
    quota::{Quotas, Reservation},
    request_limits::RequestLimits,
    shares::{Share, Shares},
    upload::Upload,
};

/// Size of a local read in bytes; the store's own 8 KiB would cost a change of thread each.
const PIECE: u64 = 256 * 1024;

/// A file being read.
pub struct Download {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its content.
    pub content: BoxStream<'static, Result<Bytes, StorageError>>,
}

/// The files of one owner in one environment; cheap to clone.
#[derive(Clone)]
pub struct OwnerFiles {
    store: Arc<dyn ObjectStore>,
    request_limits: RequestLimits,
    folder: Arc<str>,
    quotas: Arc<Quotas>,
    medium: Medium,
    owner: Arc<str>,
    shares: Shares,
    notes: TaskNotes,
}

/// The place of an owner's files: their folder, and what lies beside all folders of the environment.
pub(crate) struct Place {
    pub(crate) owner: Arc<str>,
    pub(crate) folder: String,
    pub(crate) shares: Shares,
    pub(crate) notes: TaskNotes,
}

impl OwnerFiles {
    pub(crate) fn new(
        (store, request_limits): (Arc<dyn ObjectStore>, RequestLimits),
        Place { owner, folder, shares, notes }: Place,
        quotas: Arc<Quotas>,
        medium: Medium,
    ) -> Self {
        Self { store, request_limits, folder: folder.into(), quotas, medium, owner, shares, notes }
    }

    /// Lets others read one of these files for as long as it is there; returns the path of their download. Where it was shared
    /// before, only these may read it from now on.
    pub async fn share(&self, key: &FileKey, audience: Audience) -> Result<String, StorageError> {
        self.shares.share(&Share { owner: self.owner.to_string(), key: key.clone(), audience }).await
    }

    /// The notes of tasks in the environment.
    pub fn notes(&self) -> &TaskNotes {
        &self.notes
    }

    fn path(&self, key: &FileKey) -> Result<Path, StorageError> {
        Path::parse(file_path(&self.folder, key)).map_err(|error| StorageError::Failed(error.to_string()))
    }

    /// Starts an upload; it replaces a file of the same key when it finishes. Fails with [`StorageError::QuotaFull`] where
    /// the owner has as many files as they may.
    pub async fn put(&self, key: FileKey) -> Result<Upload, StorageError> {
        let room = self.quotas.reserve(&self.folder).await?;
        self.begin(key, room)
    }

    /// The same for what a task has to leave behind because its effect is there: it counts, and is stored although the
    /// quota is full.
    pub async fn put_beyond_quota(&self, key: FileKey) -> Result<Upload, StorageError> {
        self.begin(key, self.quotas.exceed(&self.folder))
    }

    fn begin(&self, key: FileKey, room: Reservation) -> Result<Upload, StorageError> {
        let place = (self.store.clone(), self.path(&key)?);
        let id_folder = id_folder(&self.folder, &key);
        Ok(Upload::new(key, place, self.request_limits.clone(), room, (&self.medium, &id_folder)))
    }

    /// A link by which the file can be read from the bucket itself for a while, by whoever has it; none where downloads are not
    /// answered with links, the bucket's keys cannot make any, or a browser might show the file instead of saving it.
    pub async fn link(&self, key: &FileKey) -> Result<Option<String>, StorageError> {
        let Some(bucket) = self.medium.bucket().filter(|bucket| bucket.has_links()) else { return Ok(None) };
        // The bucket would answer with words of its own.
        self.size(key).await?;
        let (bucket, path, name) = (bucket.clone(), self.path(key)?, key.name().to_owned());
        match self.request_limits.answer(async move { bucket.link(&path, &name).await }).await {
            Ok(link) => Ok(link.map(Into::into)),
            Err(error) => {
                warn!(error = words_of(&error), "no link to the bucket can be made; the file is sent instead");
                Ok(None)
            }
        }
    }

    /// Opens a file.
    pub async fn get(&self, key: &FileKey) -> Result<Download, StorageError> {
        let found = self.store.get(&self.path(key)?).await;
        let found = found.map_err(|error| StorageError::of(error, key))?;
        let (bytes, key) = (found.meta.size, key.clone());
        let content = match found.payload {
            GetResultPayload::File(file, _) => read(file, bytes, self.request_limits.clone()).boxed(),
            GetResultPayload::Stream(stream) => stream.map_err(move |error| StorageError::of(error, &key)).boxed(),
        };
        Ok(Download { bytes, content })
    }

    /// The size of a file in bytes.
    pub async fn size(&self, key: &FileKey) -> Result<u64, StorageError> {
        let found = self.store.head(&self.path(key)?).await;
        Ok(found.map_err(|error| StorageError::of(error, key))?.size)
    }

    /// The keys of the files with this id.
    pub async fn keys_of(&self, id: &str) -> Result<Vec<FileKey>, StorageError> {
        let folder =
            Path::parse(format!("{}/{id}", self.folder)).map_err(|error| StorageError::Failed(error.to_string()))?;
        let files: Vec<ObjectMeta> =
            self.store.list(Some(&folder)).try_collect().await.map_err(StorageError::of_store)?;
        let names = files.iter().filter_map(|file| {
            let name = percent_decode_str(file.location.filename()?).decode_utf8().ok()?.parse().ok()?;
            FileKey::new(id, name).ok()
        });
        Ok(names.collect())
    }

    /// Removes a file for good; one that is being read is read to its end.
    pub async fn delete(&self, key: &FileKey) -> Result<(), StorageError> {
        let path = self.path(key)?;
        let removal = async {
            // Object stores of the cloud say nothing about a file that was not there.
            let bytes = self.size(key).await?;
            self.store.delete(&path).await.map_err(|error| StorageError::of(error, key))?;
            Ok(bytes)
        };
        self.quotas.remove(&self.folder, removal).await
    }
}

/// A local file's content, from its start; replacing the file meanwhile does not change what is read.
fn read(file: fs::File, bytes: u64, request_limits: RequestLimits) -> impl Stream<Item = Result<Bytes, StorageError>> {
    stream::try_unfold((file, bytes, request_limits), |(file, left, request_limits)| async move {
        if left == 0 {
            return Ok(None);
        }
        let piece = request_limits.call(move || read_piece(file, left.min(PIECE))).await;
        let (file, piece) = piece.map_err(StorageError::of_store)?;
        let left = left - piece.len() as u64;
        Ok(Some((piece, (file, left, request_limits))))
    })
}

fn read_piece(mut file: fs::File, bytes: u64) -> io::Result<(fs::File, Bytes)> {
    let mut piece = Vec::with_capacity(bytes as usize);
    (&mut file).take(bytes).read_to_end(&mut piece)?;
    if piece.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((file, piece.into()))
}
