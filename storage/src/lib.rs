//! Where uploaded files and results lie: object storage, one folder per owner.
//!
//! - [`key`]: what a file is called: `<id>/<name>` within its owner's folder
//! - [`files`]: one owner's files, put and got as streams
//! - [`open`]: which storage, from its address

pub mod files;
pub mod key;
pub mod open;

pub use files::{Download, OwnerFiles, StorageError, StoredFile, Upload};
pub use key::{FileKey, FileName, InvalidKey};
pub use open::{Storage, StorageConfig};
