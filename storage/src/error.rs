//! The errors of the storage.

use std::{error::Error, io};

use crate::key::FileKey;

/// Why an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// There is no such file of this owner.
    #[error("there is no file {0}")]
    NotFound(FileKey),
    /// The storage is full.
    #[error("the storage is full")]
    Full,
    /// The owner has as many files or bytes as they may; the text says so, with the setting and what to do.
    #[error("{0}")]
    QuotaFull(String),
    /// The file is larger than allowed; the number is the limit in bytes.
    #[error("a file may have {0} bytes at most")]
    TooLarge(u64),
    /// The storage failed or cannot be reached.
    #[error("the storage failed: {0}")]
    Failed(String),
}

impl StorageError {
    pub(crate) fn of(error: object_store::Error, key: &FileKey) -> Self {
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
    pub(crate) fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Failed(error.to_string()),
        }
    }
}
