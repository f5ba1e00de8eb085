//! Stores uploaded files and results in an object store, with a folder per owner.
//!
//! - [`open`]: a storage from its settings; [`config`]: how much an owner may keep, and for how long
//! - [`key`]: a file's key within its owner's folder, `<id>/<name>`; `layout`: its path in the store
//! - [`files`]: the files of one owner, downloaded as streams; [`upload`]: a file being written
//! - [`error`]: why an operation failed
//! - `quota`: how much each owner keeps; `expire`: removes old files, and what broken uploads left
//! - [`catalogue`]: the descriptions of an environment's functions; [`schedules`]: what is kept of its schedules

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod catalogue;
pub mod config;
pub mod error;
mod expire;
pub mod files;
pub mod key;
mod layout;
pub mod open;
mod quota;
pub mod schedules;
pub mod upload;

pub use catalogue::{Catalogue, Entry};
pub use config::FilesConfig;
pub use error::StorageError;
pub use files::{Download, OwnerFiles};
pub use key::{FileKey, FileName, InvalidKey};
pub use open::{Storage, StorageConfig};
pub use schedules::ScheduleFiles;
pub use upload::{StoredFile, Upload};
