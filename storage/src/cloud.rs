//! A bucket of S3 or of Google Cloud Storage, or a container of Azure's Blob Storage.
//!
//! - `place`: what all three are opened with; `s3`, `azure`, `google`: each as its settings say
//! - `keys_file`: keys that are read again when they change

mod azure;
mod google;
mod keys_file;
mod place;
mod s3;

use std::{fmt, sync::Arc, time::Duration};

use object_store::{
    Attribute, Attributes, ObjectStore, Result,
    list::{PaginatedListOptions, PaginatedListStore},
    path::Path,
    prefix::PrefixStore,
    signer::{Method, Signer, Url},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use self::place::Place;
use crate::address::{OpenError, StorageConfig};

/// The longest that a link of S3 is valid.
const LONGEST_LINK: Duration = Duration::from_secs(7 * 24 * 3600);

/// A bucket, with all of ours in it below a prefix.
pub(crate) struct Bucket {
    /// What lies below the prefix.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The setting's words for it: `the bucket reports`.
    pub(crate) name: String,
    signer: Arc<dyn Signer>,
    list: Arc<dyn PaginatedListStore>,
    prefix: Path,
    links: Duration,
}

impl Bucket {
    /// The bucket of an address, as `s3` and `//bucket/prefix`; nothing is sent to it yet.
    pub(crate) fn open(scheme: &str, rest: &str, config: &StorageConfig) -> Result<Self, OpenError> {
        let (bucket, prefix) = bucket_and_prefix(rest)?;
        only_for(scheme, config)?;
        if config.signed_links > LONGEST_LINK {
            return Err(OpenError::of("signed_links", "a link is valid for seven days at most"));
        }
        let place = Place::of(bucket, config)?;
        // The first to be asked for a client that speaks TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(match scheme {
            "s3" => Self::of(s3::open(config, place)?, format!("the bucket {bucket}"), prefix, config),
            "az" => Self::of(azure::open(config, place)?, format!("the container {bucket}"), prefix, config),
            _ => Self::of(google::open(config, place)?, format!("the bucket {bucket}"), prefix, config),
        })
    }

    fn of<S>(store: S, name: String, prefix: Path, config: &StorageConfig) -> Self
    where
        S: ObjectStore + Signer + PaginatedListStore + Clone,
    {
        Self {
            signer: Arc::new(store.clone()),
            list: Arc::new(store.clone()),
            store: Arc::new(PrefixStore::new(store, prefix.clone())),
            name,
            prefix,
            links: config.signed_links,
        }
    }

    /// Asks for one name, which shows that the bucket is there and lets us in. Below the prefix: the keys may have rights there alone.
    pub(crate) async fn ask(&self) -> Result<()> {
        let one = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
        let prefix = (!self.prefix.is_root()).then(|| format!("{}/", self.prefix));
        self.list.list_paginated(prefix.as_deref(), one).await.map(drop)
    }

    /// Whether downloads are answered with links.
    pub(crate) fn has_links(&self) -> bool {
        !self.links.is_zero()
    }

    /// A link by which anybody who has it reads a file for a while.
    pub(crate) async fn link(&self, path: &Path) -> Result<Url> {
        let path: Path = self.prefix.parts().chain(path.parts()).collect();
        self.signer.signed_url(Method::GET, &path, self.links).await
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a browser is told of a file that it reads from the bucket itself: to save it, as the gateway tells it of all files.
pub(crate) fn attributes(name: &str) -> Attributes {
    let disposition = format!("attachment; filename*=UTF-8''{}", utf8_percent_encode(name, NON_ALPHANUMERIC));
    [
        (Attribute::ContentDisposition, disposition),
        (Attribute::ContentType, "application/octet-stream".to_owned()),
        (Attribute::CacheControl, "private, no-store".to_owned()),
    ]
    .into_iter()
    .collect()
}

fn bucket_and_prefix(rest: &str) -> Result<(&str, Path), OpenError> {
    let how = || OpenError::of("url", "write s3://BUCKET/PREFIX, az://CONTAINER/PREFIX or gs://BUCKET/PREFIX");
    let rest = rest.strip_prefix("//").ok_or_else(how)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if bucket.is_empty() || !bucket.chars().all(is_plain) || prefix.contains(['?', '#', '@']) {
        return Err(how());
    }
    Ok((bucket, Path::parse(prefix.trim_end_matches('/')).map_err(|_| how())?))
}

/// Refuses what another store is told by.
fn only_for(scheme: &str, config: &StorageConfig) -> Result<(), OpenError> {
    let of_others: &[(&str, bool, &[&str])] = &[
        ("region", config.region.is_some(), &["s3"]),
        ("access_key_id", config.access_key_id.is_some(), &["s3"]),
        ("secret_access_key", config.secret_access_key.is_some(), &["s3", "az"]),
        ("account", config.account.is_some(), &["az"]),
    ];
    for (setting, is_set, schemes) in of_others {
        if *is_set && !schemes.contains(&scheme) {
            return Err(OpenError::of(setting, format!("it says nothing to {scheme}://")));
        }
    }
    match config.credentials_file.is_some() && config.secret_access_key.is_some() {
        true => Err(OpenError::of("credentials_file", "it is set together with secret_access_key; set one of them")),
        false => Ok(()),
    }
}
