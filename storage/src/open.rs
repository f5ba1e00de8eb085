//! Which storage.

use backplane::Environment;
use serde::{Deserialize, Serialize};

use crate::files::OwnerFiles;

/// `[storage]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// `BELLWIRE_STORAGE__URL`: `file:data/files` is a local folder. No default.
    pub url: String,
}

/// An address that is no storage we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("storage.url (BELLWIRE_STORAGE__URL): {0}")]
pub struct OpenError(String);

/// All files; cheap to clone.
#[derive(Clone)]
pub struct Storage {
    _todo: (),
}

impl Storage {
    /// Opens the storage at an address; a local folder is made if it is missing.
    pub fn open(_config: &StorageConfig) -> Result<Self, OpenError> {
        unimplemented!()
    }

    /// One owner's files.
    pub fn files(&self, _environment: &Environment, _owner: &str) -> OwnerFiles {
        unimplemented!()
    }
}
