//! `[storage]`: where the files lie, and with which keys they are reached.

use std::{path::PathBuf, time::Duration};

use process::quantity;
use secrecy::SecretString;
use serde::Deserialize;

/// `[storage]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// `BELLWIRE_STORAGE__URL`: `file:data/files` or `file:/var/lib/bellwire` is a local folder (written as it is,
    /// nothing percent-encoded); `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX` and `gs://BUCKET/PREFIX` are object stores, the
    /// prefix may be left out; `memory:` ends with the process. No default.
    pub url: String,
    /// `BELLWIRE_STORAGE__ENDPOINT`: the server of an object store, `https://minio.example:9000`. The cloud's own.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// `BELLWIRE_STORAGE__REGION`: the region of a bucket of S3. `AWS_REGION`, or `us-east-1`.
    #[serde(default)]
    pub region: Option<String>,
    /// `BELLWIRE_STORAGE__ACCOUNT`: the storage account of a container of Azure. `AZURE_STORAGE_ACCOUNT_NAME`.
    #[serde(default)]
    pub account: Option<String>,
    /// `BELLWIRE_STORAGE__ACCESS_KEY_ID`: the name of the key of S3; set together with `secret_access_key`. None.
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// `BELLWIRE_STORAGE__SECRET_ACCESS_KEY`: the key of S3, or of the account of Azure. None.
    #[serde(default)]
    pub secret_access_key: Option<SecretString>,
    /// `BELLWIRE_STORAGE__CREDENTIALS_FILE`: a file with the keys instead: for S3 as AWS's tools write it
    /// (`aws_access_key_id = …` under `[default]`), for Azure the account's key, for Google the JSON of a service account. The
    /// first two are read again when they change. Without any keys it is what the machine or the pod is trusted with.
    #[serde(default)]
    pub credentials_file: Option<PathBuf>,
    /// `BELLWIRE_STORAGE__CA_FILE`: certificates that the server may show besides the system's. None.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// `BELLWIRE_STORAGE__ALLOW_PLAIN`: whether `endpoint` may be `http://` on another machine. `false`.
    #[serde(default)]
    pub allow_plain: bool,
    /// `BELLWIRE_STORAGE__SIGNED_LINKS`: how long a link to the object store is valid that a download is answered with, `1s` to
    /// `7d`; with `0s` the gateway sends the file itself. `0s`.
    #[serde(default, deserialize_with = "quantity::duration")]
    pub signed_links: Duration,
}

impl StorageConfig {
    /// The storage at an address, with all else as it is by default.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// Fails if anything is set that only a bucket has.
    pub(crate) fn check_for_no_bucket(&self) -> Result<(), OpenError> {
        let set = [
            ("endpoint", self.endpoint.is_some()),
            ("region", self.region.is_some()),
            ("account", self.account.is_some()),
            ("access_key_id", self.access_key_id.is_some()),
            ("secret_access_key", self.secret_access_key.is_some()),
            ("credentials_file", self.credentials_file.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("allow_plain", self.allow_plain),
            ("signed_links", !self.signed_links.is_zero()),
        ];
        match set.into_iter().find(|(_, is_set)| *is_set) {
            Some((setting, _)) => Err(OpenError::of(setting, "it is of s3://, az:// and gs:// alone")),
            None => Ok(()),
        }
    }
}

/// A setting with which no storage can be opened; the text never repeats an address, for it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("storage.{setting} (BELLWIRE_STORAGE__{}): {reason}", .setting.to_ascii_uppercase())]
pub struct OpenError {
    setting: &'static str,
    reason: String,
}

impl OpenError {
    /// This setting is wrong, and why.
    pub(crate) fn of(setting: &'static str, reason: impl Into<String>) -> Self {
        Self { setting, reason: reason.into() }
    }
}
