//! The storages that everything is promised of.

use std::env;

use storage::{FilesConfig, Storage, StorageConfig};
use tempfile::TempDir;

pub(crate) fn open(url: &str) -> Storage {
    Storage::open(&StorageConfig::at(url)).unwrap()
}

pub(crate) fn given(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`, which starts a server of S3"))
}

/// The bucket of the server that checks keys, below a prefix that nobody else has.
pub(crate) fn bucket() -> StorageConfig {
    StorageConfig {
        endpoint: Some(given("BELLWIRE_TEST_S3_URL")),
        credentials_file: Some(given("BELLWIRE_TEST_S3_KEYS").into()),
        ..StorageConfig::at(format!("s3://bellwire/{}", ulid::Ulid::generate()))
    }
}

/// All storages with these limits, and the folder of the local one.
pub(crate) fn storages_with(limits: &FilesConfig) -> (TempDir, [Storage; 3]) {
    let folder = TempDir::new().unwrap();
    let local = open(&format!("file:{}", folder.path().display()));
    let storages = [local, open("memory:"), Storage::open(&bucket()).unwrap()];
    (folder, storages.map(|storage| storage.with_limits(limits.clone())))
}

/// The same with the default limits.
pub(crate) fn storages() -> (TempDir, [Storage; 3]) {
    storages_with(&FilesConfig::default())
}
