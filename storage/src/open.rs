//! Opens a storage from its settings.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use model::Environment;
use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};
use serde::{Deserialize, Serialize};

use crate::{
    catalogue::Catalogue,
    config::FilesConfig,
    files::{OwnerFiles, Place},
    layout::{catalogue_folder, notes_folder, owner_folder, schedules_folder, shares_folder},
    limited_store::LimitedStore,
    notes::TaskNotes,
    quota::Quotas,
    records::Records,
    request_limits::RequestLimits,
    schedules::ScheduleFiles,
    shares::Shares,
};

/// `[storage]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// `BELLWIRE_STORAGE__URL`: `file:data/files` or `file:/var/lib/bellwire` is a local folder (written as it is,
    /// nothing percent-encoded); `memory:` ends with the process. No default.
    pub url: String,
}

/// An unsupported address; the text never repeats it, for it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("storage.url (BELLWIRE_STORAGE__URL): {0}")]
pub struct OpenError(String);

/// All files; cheap to clone.
#[derive(Clone)]
pub struct Storage {
    /// The store itself; all goes through `store`, which answers in time.
    inner: Arc<dyn ObjectStore>,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) request_limits: RequestLimits,
    pub(crate) quotas: Arc<Quotas>,
    /// The folder of a local storage.
    pub(crate) root: Option<Arc<Path>>,
}

impl Storage {
    /// Opens the storage at an address, with the default limits; a local folder is created if it is missing.
    pub fn open(config: &StorageConfig) -> Result<Self, OpenError> {
        let (scheme, rest) =
            config.url.split_once(':').ok_or_else(|| OpenError("write file:PATH for a local folder".to_owned()))?;
        let mut root = None;
        let store: Arc<dyn ObjectStore> = match scheme {
            "file" => {
                let (store, folder) = local(rest)?;
                root = Some(folder.into());
                Arc::new(store)
            }
            "memory" => Arc::new(InMemory::new()),
            "s3" | "az" | "gs" => {
                let text = format!("this build has no cloud storage yet, so no {scheme}://; write file:PATH");
                return Err(OpenError(text));
            }
            _ => return Err(OpenError("it is neither file:PATH nor memory:".to_owned())),
        };
        Ok(Self { root, ..Self::on(store) })
    }

    /// All files in this store, with the default limits.
    pub fn on(store: Arc<dyn ObjectStore>) -> Self {
        Self::with(store, RequestLimits::default(), FilesConfig::default())
    }

    /// The same files, of which each request may take so long.
    pub fn answering_within(self, time: Duration) -> Self {
        let Self { root, quotas, inner, .. } = self;
        Self { root, ..Self::with(inner, RequestLimits::of(time), quotas.limits().clone()) }
    }

    fn with(inner: Arc<dyn ObjectStore>, request_limits: RequestLimits, limits: FilesConfig) -> Self {
        let store: Arc<dyn ObjectStore> =
            Arc::new(LimitedStore { store: inner.clone(), request_limits: request_limits.clone() });
        let quotas = Arc::new(Quotas::new(store.clone(), request_limits.clone(), limits));
        Self { inner, store, request_limits, quotas, root: None }
    }

    /// The same files with these limits.
    pub fn with_limits(mut self, limits: FilesConfig) -> Self {
        self.quotas = Arc::new(Quotas::new(self.store.clone(), self.request_limits.clone(), limits));
        self
    }

    /// How much an owner may keep, and for how long.
    pub fn limits(&self) -> &FilesConfig {
        self.quotas.limits()
    }

    /// One owner's files.
    pub fn files(&self, environment: &Environment, owner: &str) -> OwnerFiles {
        let place = Place {
            owner: owner.into(),
            folder: owner_folder(environment, owner),
            shares: self.shares(environment),
            notes: self.notes(environment),
        };
        OwnerFiles::new(
            (Arc::clone(&self.store), self.request_limits.clone()),
            place,
            self.quotas.clone(),
            self.root.clone(),
        )
    }

    /// The descriptions of an environment's functions.
    pub fn catalogue(&self, environment: &Environment) -> Catalogue {
        Catalogue::new(self.records(catalogue_folder(environment)))
    }

    /// What is kept of an environment's schedules.
    pub fn schedules(&self, environment: &Environment) -> ScheduleFiles {
        ScheduleFiles::new(self.records(schedules_folder(environment)))
    }

    /// What is shared in an environment.
    pub fn shares(&self, environment: &Environment) -> Shares {
        Shares::new(self.records(shares_folder(environment)))
    }

    /// The notes of an environment's tasks.
    pub fn notes(&self, environment: &Environment) -> TaskNotes {
        TaskNotes::new(self.records(notes_folder(environment)))
    }

    fn records(&self, folder: String) -> Records {
        Records::new(Arc::clone(&self.store), self.request_limits.clone(), folder)
    }
}

fn local(address: &str) -> Result<(LocalFileSystem, PathBuf), OpenError> {
    let path = address.strip_prefix("//").unwrap_or(address);
    if path.is_empty() || (path.len() < address.len() && !path.starts_with('/')) {
        return Err(OpenError("write file:PATH, file:/PATH or file:///PATH".to_owned()));
    }
    let unusable = |reason: String| OpenError(format!("the folder {path} cannot be used: {reason}"));
    fs::create_dir_all(Path::new(path)).map_err(|error| unusable(error.to_string()))?;
    let store = LocalFileSystem::new_with_prefix(path).map_err(|error| unusable(error.to_string()))?;
    let folder = fs::canonicalize(path).map_err(|error| unusable(error.to_string()))?;
    // An upload that was confirmed survives a power cut, and no empty folder is left of a file that was removed.
    Ok((store.with_fsync(true).with_automatic_cleanup(true), folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str) -> String {
        let config = StorageConfig { url: url.to_owned() };
        Storage::open(&config).err().unwrap().to_string()
    }

    #[test]
    fn an_address_that_is_no_storage_is_refused_with_the_settings_name() {
        for bad in ["", "data/files", "file:", "file://", "file://host/x", "ftp://u:secret@host", "/x"] {
            let error = error(bad);
            assert!(error.starts_with("storage.url (BELLWIRE_STORAGE__URL): "), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(error("s3://user:secret@bucket").contains("no cloud storage yet"));
        assert!(!error("s3://user:secret@bucket").contains("secret"));
        assert!(error("file:/dev/null/x").contains("/dev/null/x"));
    }
}
