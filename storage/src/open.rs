//! Opens a storage from its settings.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use model::Environment;
use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};

use crate::{
    address::{OpenError, StorageConfig},
    catalogue::Catalogue,
    cloud::Bucket,
    config::FilesConfig,
    files::{OwnerFiles, Place},
    layout::{catalogue_folder, notes_folder, owner_folder, schedules_folder, shares_folder},
    limited_store::LimitedStore,
    medium::Medium,
    notes::TaskNotes,
    quota::Quotas,
    records::Records,
    request_limits::RequestLimits,
    schedules::ScheduleFiles,
    shares::Shares,
};

/// All files; cheap to clone.
#[derive(Clone)]
pub struct Storage {
    /// The store itself; all goes through `store`, which answers in time.
    inner: Arc<dyn ObjectStore>,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) request_limits: RequestLimits,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) medium: Medium,
}

impl Storage {
    /// Opens the storage at an address, with the default limits; a local folder is created if it is missing. Whether a bucket is
    /// there is found out by [`Self::check`].
    pub fn open(config: &StorageConfig) -> Result<Self, OpenError> {
        let how = |reason: &str| OpenError::of("url", reason);
        let (scheme, rest) = config.url.split_once(':').ok_or_else(|| how("write file:PATH for a local folder"))?;
        let on_this_machine = RequestLimits::default();
        let (store, medium, request_limits): (Arc<dyn ObjectStore>, _, _) = match scheme {
            "s3" | "az" | "gs" => {
                let bucket = Arc::new(Bucket::open(scheme, rest, config)?);
                (bucket.store.clone(), Medium::Bucket(bucket), RequestLimits::of_server())
            }
            "file" | "memory" => {
                config.check_for_no_bucket()?;
                match scheme {
                    "file" => {
                        let (store, folder) = local(rest)?;
                        (Arc::new(store), Medium::Folder(folder.into()), on_this_machine)
                    }
                    _ => (Arc::new(InMemory::new()), Medium::Process, on_this_machine),
                }
            }
            _ => return Err(how("it is none of file:PATH, s3://, az://, gs:// and memory:")),
        };
        Ok(Self { medium, ..Self::with(store, request_limits, FilesConfig::default()) })
    }

    /// All files in this store, with the default limits.
    pub fn on(store: Arc<dyn ObjectStore>) -> Self {
        Self::with(store, RequestLimits::default(), FilesConfig::default())
    }

    /// The same files, of which each request may take so long.
    pub fn answering_within(self, time: Duration) -> Self {
        let Self { medium, quotas, inner, request_limits, .. } = self;
        Self { medium, ..Self::with(inner, request_limits.within(time), quotas.limits().clone()) }
    }

    fn with(inner: Arc<dyn ObjectStore>, request_limits: RequestLimits, limits: FilesConfig) -> Self {
        let store: Arc<dyn ObjectStore> =
            Arc::new(LimitedStore { store: inner.clone(), request_limits: request_limits.clone() });
        let quotas = Arc::new(Quotas::new(store.clone(), request_limits.clone(), limits));
        Self { inner, store, request_limits, quotas, medium: Medium::Process }
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
            self.medium.clone(),
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
        return Err(OpenError::of("url", "write file:PATH, file:/PATH or file:///PATH"));
    }
    let unusable = |reason: String| OpenError::of("url", format!("the folder {path} cannot be used: {reason}"));
    fs::create_dir_all(Path::new(path)).map_err(|error| unusable(error.to_string()))?;
    let store = LocalFileSystem::new_with_prefix(path).map_err(|error| unusable(error.to_string()))?;
    let folder = fs::canonicalize(path).map_err(|error| unusable(error.to_string()))?;
    // An upload that was confirmed survives a power cut, and no empty folder is left of a file that was removed.
    Ok((store.with_fsync(true).with_automatic_cleanup(true), folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(config: &StorageConfig) -> String {
        Storage::open(config).err().unwrap().to_string()
    }

    fn error(url: &str) -> String {
        error_of(&StorageConfig::at(url))
    }

    #[test]
    fn an_address_that_is_no_storage_is_refused_with_the_settings_name() {
        for bad in ["", "data/files", "file:", "file://", "file://host/x", "ftp://u:secret@host", "/x"] {
            let error = error(bad);
            assert!(error.starts_with("storage.url (BELLWIRE_STORAGE__URL): "), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        for bad in
            ["s3:bucket", "s3://", "s3:///x", "s3://user:secret@bucket", "az://a b", "gs://b/x?secret", "gs://b/a//b"]
        {
            let error = error(bad);
            assert!(error.contains("write s3://BUCKET/PREFIX") && !error.contains("secret"), "{bad}: {error}");
        }
        assert!(error("file:/dev/null/x").contains("/dev/null/x"));
    }

    /// Of a bucket with keys, with one setting changed.
    fn error_with(url: &str, change: impl FnOnce(&mut StorageConfig)) -> String {
        let mut config = StorageConfig {
            access_key_id: url.starts_with("s3:").then(|| "id".to_owned()),
            secret_access_key: ["s3:", "az:", "memory:"]
                .iter()
                .any(|scheme| url.starts_with(scheme))
                .then(|| "c2VjcmV0".into()),
            account: url.starts_with("az:").then(|| "files".to_owned()),
            ..StorageConfig::at(url)
        };
        change(&mut config);
        error_of(&config)
    }

    #[test]
    fn a_setting_of_a_bucket_that_is_wrong_or_of_another_store_is_named() {
        let plain = error_with("s3://b", |config| config.endpoint = Some("http://minio.example:9000".to_owned()));
        assert!(plain.starts_with("storage.endpoint (BELLWIRE_STORAGE__ENDPOINT): it is http://"), "{plain}");
        assert!(plain.contains("storage.allow_plain"), "{plain}");
        for wrong in ["minio:9000", "https://u:secret@minio", "ftp://minio"] {
            let error = error_with("s3://b", |config| config.endpoint = Some(wrong.to_owned()));
            assert!(error.starts_with("storage.endpoint (") && !error.contains("secret"), "{error}");
        }
        let unknown = error_with("s3://b", |config| config.ca_file = Some("/nowhere.pem".into()));
        assert!(unknown.starts_with("storage.ca_file (") && unknown.contains("/nowhere.pem"), "{unknown}");
        let named = |url: &str, setting: &str, change: fn(&mut StorageConfig)| {
            let error = error_with(url, change);
            assert!(error.starts_with(&format!("storage.{setting} (")), "{url} {error}");
        };
        named("s3://b", "secret_access_key", |config| config.secret_access_key = None);
        named("s3://b", "access_key_id", |config| config.access_key_id = None);
        named("s3://b", "account", |config| config.account = Some("files".to_owned()));
        named("s3://b", "credentials_file", |config| config.credentials_file = Some("/x".into()));
        named("s3://b", "signed_links", |config| config.signed_links = Duration::from_secs(8 * 24 * 3600));
        named("s3://b", "signed_links", |config| config.signed_links = Duration::from_millis(900));
        named("gs://b", "signed_links", |config| {
            config.signed_links = Duration::from_secs(300);
            config.endpoint = Some("https://storage.example".to_owned());
        });
        named("az://b", "account", |config| config.account = None);
        named("az://b", "region", |config| config.region = Some("x".to_owned()));
        named("az://b", "secret_access_key", |config| config.secret_access_key = Some("no base64".into()));
        named("gs://b", "secret_access_key", |config| config.secret_access_key = Some("x".into()));
        named("gs://b", "credentials_file", |config| config.credentials_file = Some("/nowhere.json".into()));
        named("file:data/none", "signed_links", |config| config.signed_links = Duration::from_secs(1));
        named("file:data/none", "allow_plain", |config| config.allow_plain = true);
        named("memory:", "secret_access_key", |_| {});
    }
}
