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
    Attribute, Attributes, GetOptions, ObjectStore, Result,
    list::{PaginatedListOptions, PaginatedListStore},
    path::Path,
    prefix::PrefixStore,
    signer::{Method, SignedUrlOptions, Signer, Url},
};
use tokio::sync::{OnceCell, Semaphore};

use self::place::Place;
use crate::{
    address::{OpenError, StorageConfig},
    served_as,
};

/// The longest that a link of S3 is valid, and the shortest: they are told in seconds.
const LONGEST_LINK: Duration = Duration::from_secs(7 * 24 * 3600);
const SHORTEST_LINK: Duration = Duration::from_secs(1);

/// The most uploads at once of which more than a little is held, each 15 MiB at most.
const LARGE_UPLOADS: usize = 32;

/// What a link can say of the answer to it, whatever the file was stored with.
type Says = &'static [(Attribute, &'static str)];
const S3_SAYS: Says = &[
    (Attribute::ContentDisposition, "response-content-disposition"),
    (Attribute::ContentType, "response-content-type"),
    (Attribute::CacheControl, "response-cache-control"),
];
const GOOGLE_SAYS: Says = &[
    (Attribute::ContentDisposition, "response-content-disposition"),
    (Attribute::ContentType, "response-content-type"),
];
/// Its library signs no more than the path.
const AZURE_SAYS: Says = &[];

/// A bucket, with all of ours in it below a prefix.
pub(crate) struct Bucket {
    /// What lies below the prefix.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The setting's words for it: `the bucket reports`.
    pub(crate) name: String,
    /// A place for each upload of which more than a little is held.
    pub(crate) large_uploads: Arc<Semaphore>,
    signer: Arc<dyn Signer>,
    list: Arc<dyn PaginatedListStore>,
    prefix: Path,
    links: Duration,
    link_says: Says,
    /// Found out by the first who asks: Google's keys may have to be asked for a signature.
    origin: OnceCell<String>,
}

impl Bucket {
    /// The bucket of an address, as `s3` and `//bucket/prefix`; nothing is sent to it yet.
    pub(crate) fn open(scheme: &str, rest: &str, config: &StorageConfig) -> Result<Self, OpenError> {
        let (bucket, prefix) = bucket_and_prefix(rest)?;
        only_for(scheme, config)?;
        if config.signed_links > LONGEST_LINK {
            return Err(OpenError::of("signed_links", "a link is valid for seven days at most"));
        }
        if !config.signed_links.is_zero() && config.signed_links < SHORTEST_LINK {
            return Err(OpenError::of("signed_links", "a link is valid for a second at least; 0s is none"));
        }
        if scheme == "gs" && config.endpoint.is_some() && !config.signed_links.is_zero() {
            return Err(OpenError::of("signed_links", "links of gs:// are to Google's own server; leave out endpoint"));
        }
        let place = Place::of(bucket, config)?;
        // The first to be asked for a client that speaks TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(match scheme {
            "s3" => Self::of(s3::open(config, place)?, format!("the bucket {bucket}"), prefix, (config, S3_SAYS)),
            "az" => {
                Self::of(azure::open(config, place)?, format!("the container {bucket}"), prefix, (config, AZURE_SAYS))
            }
            _ => Self::of(google::open(config, place)?, format!("the bucket {bucket}"), prefix, (config, GOOGLE_SAYS)),
        })
    }

    fn of<S>(store: S, name: String, prefix: Path, (config, link_says): (&StorageConfig, Says)) -> Self
    where
        S: ObjectStore + Signer + PaginatedListStore + Clone,
    {
        Self {
            signer: Arc::new(store.clone()),
            list: Arc::new(store.clone()),
            store: Arc::new(PrefixStore::new(store, prefix.clone())),
            name,
            large_uploads: Arc::new(Semaphore::new(LARGE_UPLOADS)),
            prefix,
            links: config.signed_links,
            link_says,
            origin: OnceCell::new(),
        }
    }

    /// Asks for one name, which shows that the bucket is there and lets us in. Below the prefix: the keys may have rights there
    /// alone.
    pub(crate) async fn ask(&self) -> Result<()> {
        let one = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
        let prefix = (!self.prefix.is_root()).then(|| format!("{}/", self.prefix));
        self.list.list_paginated(prefix.as_deref(), one).await.map(drop)
    }

    /// Whether downloads are answered with links.
    pub(crate) fn has_links(&self) -> bool {
        !self.links.is_zero()
    }

    /// A link by which anybody who has it reads a file for a while, and saves it. None where the link cannot say so, and the file
    /// was stored by others, who said something else: a browser would show it as a page of the bucket's origin.
    pub(crate) async fn link(&self, path: &Path, name: &str) -> Result<Option<Url>> {
        let ours = attributes(name);
        if self.link_says.is_empty() {
            let found = self.store.get_opts(path, GetOptions { head: true, ..GetOptions::default() }).await?;
            if ours.iter().any(|(attribute, value)| found.attributes.get(attribute) != Some(value)) {
                return Ok(None);
            }
        }
        let said = self.link_says.iter().filter_map(|(attribute, word)| Some((*word, ours.get(attribute)?.as_ref())));
        self.sign(path, &SignedUrlOptions::new().with_query(said)).await.map(Some)
    }

    /// The origin of all links.
    pub(crate) async fn origin(&self) -> Result<String> {
        let found = self.origin.get_or_try_init(async || {
            Ok(self.sign(&"origin".into(), &SignedUrlOptions::new()).await?.origin().ascii_serialization())
        });
        found.await.cloned()
    }

    async fn sign(&self, path: &Path, options: &SignedUrlOptions) -> Result<Url> {
        let path: Path = self.prefix.parts().chain(path.parts()).collect();
        self.signer.signed_url_opts(Method::GET, &path, self.links, options).await
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a browser is told of a file that it reads from the bucket itself: to save it, as the gateway tells it of all files.
pub(crate) fn attributes(name: &str) -> Attributes {
    [
        (Attribute::ContentDisposition, served_as::disposition(name)),
        (Attribute::ContentType, served_as::CONTENT_TYPE.to_owned()),
        (Attribute::CacheControl, served_as::CACHE_CONTROL.to_owned()),
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
