//! One owner's files, put and got as streams at constant memory.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde::Serialize;

use crate::key::FileKey;

/// Why storage did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no such file of this owner.
    #[error("there is no file {0}")]
    NotFound(FileKey),
    /// No room is left.
    #[error("the storage is full")]
    Full,
    /// It is larger than allowed; the number is the limit in bytes.
    #[error("a file may have {0} bytes at most")]
    TooLarge(u64),
    /// The storage failed or is away.
    #[error("the storage failed: {0}")]
    Failed(String),
}

/// A file that was put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredFile {
    /// Its key in its owner's folder.
    pub key: FileKey,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A file that is being put; dropped before [`Upload::finish`], nothing remains of it.
pub struct Upload {
    _todo: (),
}

impl Upload {
    /// Adds bytes; waits while the storage is slower than the sender.
    pub async fn write(&mut self, _bytes: Bytes) -> Result<(), StorageError> {
        unimplemented!()
    }

    /// Makes the file visible, whole.
    pub async fn finish(self) -> Result<StoredFile, StorageError> {
        unimplemented!()
    }
}

/// A file that is being got.
pub struct Download {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its content.
    pub content: BoxStream<'static, Result<Bytes, StorageError>>,
}

/// The files of one owner in one environment; cheap to clone.
#[derive(Clone)]
pub struct OwnerFiles {
    _todo: (),
}

impl OwnerFiles {
    /// Begins a file under this key; a file of the same key is replaced when the upload finishes.
    pub async fn put(&self, _key: FileKey) -> Result<Upload, StorageError> {
        unimplemented!()
    }

    /// Opens a file.
    pub async fn get(&self, _key: &FileKey) -> Result<Download, StorageError> {
        unimplemented!()
    }
}
