//! The files of one owner, uploaded and downloaded as streams at constant memory.

use std::{
    error::Error,
    fs,
    io::{self, Read},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt, WriteMultipart, path::Path};
use serde::Serialize;
use tokio::task::spawn_blocking;

use crate::{key::FileKey, layout::file_path};

/// Size of an upload's parts in bytes; it holds at most [`IN_FLIGHT`] + 1 of them.
const PART: usize = 1024 * 1024;
const IN_FLIGHT: usize = 2;
/// Size of a local read in bytes; the store's own 8 KiB would cost a change of thread each.
const PIECE: u64 = 256 * 1024;

/// Why an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// There is no such file of this owner.
    #[error("there is no file {0}")]
    NotFound(FileKey),
    /// The storage is full.
    #[error("the storage is full")]
    Full,
    /// The file is larger than allowed; the number is the limit in bytes.
    #[error("a file may have {0} bytes at most")]
    TooLarge(u64),
    /// The storage failed or cannot be reached.
    #[error("the storage failed: {0}")]
    Failed(String),
}

impl StorageError {
    fn of(error: object_store::Error, key: &FileKey) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound(key.clone()),
            error => Self::of_store(error),
        }
    }

    pub(crate) fn of_store(error: object_store::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(link) = cause {
            if let Some(io) = link.downcast_ref::<io::Error>() {
                return Self::of_io(io);
            }
            cause = link.source();
        }
        Self::Failed(error.to_string())
    }

    /// Keeps the system's message alone: the errors around it name folders of this machine.
    fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredFile {
    /// Its key in its owner's folder.
    pub key: FileKey,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A file being written; dropped before [`Upload::finish`], nothing remains of it.
#[derive(Debug)]
pub struct Upload {
    key: FileKey,
    bytes: u64,
    limit: u64,
    /// `None` after a failure, so that an incomplete file is never finished.
    parts: Option<WriteMultipart>,
}

impl Upload {
    /// Limits the file's size in bytes; a write beyond it fails with [`StorageError::TooLarge`].
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// The number of bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes bytes; waits while the storage is slower than the sender.
    ///
    /// After an error, or if this future is dropped before its end, the upload is over and nothing remains of it.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let mut parts = self.parts.take().ok_or_else(already_over)?;
        let total = self.bytes + bytes.len() as u64;
        if total > self.limit {
            abort(parts).await;
            return Err(StorageError::TooLarge(self.limit));
        }
        for piece in bytes.chunks(PART) {
            if let Err(error) = parts.wait_for_capacity(IN_FLIGHT).await {
                abort(parts).await;
                return Err(StorageError::of(error, &self.key));
            }
            parts.write(piece);
        }
        self.bytes = total;
        self.parts = Some(parts);
        Ok(())
    }

    /// Makes the file visible, whole.
    pub async fn finish(mut self) -> Result<StoredFile, StorageError> {
        let mut parts = self.parts.take().ok_or_else(already_over)?;
        // Waited for here, because `finish` would hide the cause of a failed part behind a failed clean-up.
        if let Err(error) = parts.wait_for_capacity(0).await {
            abort(parts).await;
            return Err(StorageError::of(error, &self.key));
        }
        match parts.finish().await {
            Ok(_) => Ok(StoredFile { key: self.key, bytes: self.bytes }),
            Err(error) => Err(StorageError::of(error, &self.key)),
        }
    }
}

fn already_over() -> StorageError {
    StorageError::Failed("the upload has already ended".to_owned())
}

async fn abort(parts: WriteMultipart) {
    // The caller gets the failure that led here; a leftover file is never visible.
    let _ = parts.abort().await;
}

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
    folder: Arc<str>,
}

impl OwnerFiles {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, folder: String) -> Self {
        Self { store, folder: folder.into() }
    }

    fn path(&self, key: &FileKey) -> Result<Path, StorageError> {
        Path::parse(file_path(&self.folder, key)).map_err(|error| StorageError::Failed(error.to_string()))
    }

    /// Starts an upload; it replaces a file of the same key when it finishes.
    pub async fn put(&self, key: FileKey) -> Result<Upload, StorageError> {
        let upload = self.store.put_multipart(&self.path(&key)?).await;
        let upload = upload.map_err(|error| StorageError::of(error, &key))?;
        let parts = Some(WriteMultipart::new_with_chunk_size(upload, PART));
        Ok(Upload { key, bytes: 0, limit: u64::MAX, parts })
    }

    /// Opens a file.
    pub async fn get(&self, key: &FileKey) -> Result<Download, StorageError> {
        let found = self.store.get(&self.path(key)?).await;
        let found = found.map_err(|error| StorageError::of(error, key))?;
        let (bytes, key) = (found.meta.size, key.clone());
        let content = match found.payload {
            GetResultPayload::File(file, _) => read(file, bytes).boxed(),
            GetResultPayload::Stream(stream) => stream.map_err(move |error| StorageError::of(error, &key)).boxed(),
        };
        Ok(Download { bytes, content })
    }

    /// Removes a file for good; one that is being read is read to its end.
    pub async fn delete(&self, key: &FileKey) -> Result<(), StorageError> {
        let path = self.path(key)?;
        // Object stores of the cloud say nothing about a file that was not there.
        self.store.head(&path).await.map_err(|error| StorageError::of(error, key))?;
        self.store.delete(&path).await.map_err(|error| StorageError::of(error, key))
    }
}

/// A local file's content, from its start; replacing the file meanwhile does not change what is read.
fn read(file: fs::File, bytes: u64) -> impl Stream<Item = Result<Bytes, StorageError>> {
    stream::try_unfold((file, bytes), |(file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let (file, piece) = spawn_blocking(move || read_piece(file, left.min(PIECE)))
            .await
            .map_err(|error| StorageError::Failed(error.to_string()))?
            .map_err(|error| StorageError::of_io(&error))?;
        let left = left - piece.len() as u64;
        Ok(Some((piece, (file, left))))
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
