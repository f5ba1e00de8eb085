//! Stores uploaded files and results in an object store, with a folder per owner.
//!
//! - [`open`]: a storage from its settings
//! - [`key`]: a file's key within its owner's folder, `<id>/<name>`; `layout`: its path in the store
//! - [`files`]: the files of one owner, uploaded and downloaded as streams; `expire`: removes old ones
//! - [`catalogue`]: the descriptions of an environment's functions

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod catalogue;
mod expire;
pub mod files;
pub mod key;
mod layout;
pub mod open;

pub use catalogue::{Catalogue, Entry};
pub use files::{Download, OwnerFiles, StorageError, StoredFile, Upload};
pub use key::{FileKey, FileName, InvalidKey};
pub use open::{Storage, StorageConfig};
