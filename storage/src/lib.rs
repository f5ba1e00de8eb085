//! Where uploaded files and results lie: object storage, one folder per owner.
//!
//! - [`key`]: what a file is called: `<id>/<name>` within its owner's folder
//! - `place`: where it lies, whatever its owner is called
//! - [`files`]: one owner's files, put and got as streams
//! - [`catalogue`]: what the functions of an environment say of themselves
//! - [`open`]: which storage, from its address; `expire`: files that have had their time

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod catalogue;
mod expire;
pub mod files;
pub mod key;
pub mod open;
mod place;

pub use catalogue::{Catalogue, Entry};
pub use files::{Download, OwnerFiles, StorageError, StoredFile, Upload};
pub use key::{FileKey, FileName, InvalidKey};
pub use open::{Storage, StorageConfig};
