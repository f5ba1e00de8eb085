//! Stores uploaded files and results in an object store, with a folder per owner.
//!
//! - [`open`]: a storage from its settings, [`address`]; [`config`]: how much an owner may keep, and for how long
//! - `medium`: a folder or a bucket; `cloud`: a bucket of S3, Azure or Google; [`reach`]: whether it is there
//! - [`key`]: a file's key within its owner's folder, `<id>/<name>`; `layout`: its path in the store
//! - [`files`]: the files of one owner, downloaded as streams; [`upload`]: a file being written; [`served_as`]: how browsers get one
//! - [`error`]: why an operation failed
//! - `quota`: how much each owner keeps; `expire`: removes old files (`remove_older`), and what broken uploads left
//! - [`shares`]: which files others than their owner may read; [`notes`]: what functions keep of their tasks
//! - [`catalogue`]: the descriptions of an environment's functions; [`schedules`]: what is kept of its schedules
//! - `records`: the small files of these four
//! - `request_limits`: how long requests may take, and how many may be under way; `limited_store`: a store within these

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod address;
pub mod catalogue;
mod cloud;
pub mod config;
pub mod error;
mod expire;
pub mod files;
pub mod key;
mod layout;
mod limited_store;
mod medium;
pub mod notes;
pub mod open;
mod quota;
pub mod reach;
mod records;
mod remove_older;
mod request_limits;
pub mod schedules;
pub mod served_as;
pub mod shares;
pub mod upload;

pub use address::{OpenError, StorageConfig};
pub use catalogue::{Catalogue, Entry};
pub use config::FilesConfig;
pub use error::StorageError;
pub use files::{Download, OwnerFiles};
pub use key::{FileKey, FileName, InvalidKey};
pub use notes::TaskNotes;
pub use open::Storage;
pub use reach::Unusable;
pub use schedules::ScheduleFiles;
pub use shares::{Share, Shares};
pub use upload::{StoredFile, Upload};
