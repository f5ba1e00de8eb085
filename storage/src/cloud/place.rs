//! What all three are opened with: the bucket, and how its server is spoken to.

use std::{env, fs, str::FromStr, time::Duration};

use object_store::{BackoffConfig, Certificate, ClientOptions, RetryConfig, signer::Url};
use process::is_loopback;

use crate::{
    address::{OpenError, StorageConfig},
    error::words_of,
};

/// How long a server may take to be reached, and to say its next word: the first comes when a part has gone over a slow network.
/// What waits for less is given up before.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
const NEXT_WORD_WITHIN: Duration = Duration::from_secs(60);
/// Tries after the first that failed.
const RETRIES: usize = 3;
/// How long a file may be read that is asked for again, from where it broke off.
const LONGEST_READ: Duration = Duration::from_secs(3600);

/// A bucket on a server.
pub(super) struct Place<'a> {
    pub(super) bucket: &'a str,
    pub(super) endpoint: Option<&'a str>,
    pub(super) client: ClientOptions,
    pub(super) retry: RetryConfig,
}

impl<'a> Place<'a> {
    pub(super) fn of(bucket: &'a str, config: &'a StorageConfig) -> Result<Self, OpenError> {
        let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
        Ok(Self {
            bucket,
            endpoint: config.endpoint.as_deref(),
            client: client(config)?,
            retry: RetryConfig { backoff, max_retries: RETRIES, retry_timeout: LONGEST_READ },
        })
    }
}

fn client(config: &StorageConfig) -> Result<ClientOptions, OpenError> {
    let mut options = ClientOptions::new()
        .with_allow_http(is_plain(config)?)
        // A file is read for as long as its reader takes.
        .with_timeout_disabled()
        .with_read_timeout(NEXT_WORD_WITHIN)
        .with_connect_timeout(CONNECTED_WITHIN);
    if let Some(file) = &config.ca_file {
        let unusable = |reason: String| OpenError::of("ca_file", format!("{}: {reason}", file.display()));
        let pem = fs::read(file).map_err(|error| unusable(format!("it cannot be read: {error}")))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
        if certificates.is_empty() {
            return Err(unusable("it holds no certificate in PEM".to_owned()));
        }
        options = certificates.into_iter().fold(options, ClientOptions::with_root_certificate);
    }
    Ok(options)
}

/// Whether the endpoint is without TLS, and may be.
fn is_plain(config: &StorageConfig) -> Result<bool, OpenError> {
    let Some(endpoint) = &config.endpoint else { return Ok(false) };
    let wrong = |reason: &str| OpenError::of("endpoint", reason);
    let url: Url = endpoint.parse().map_err(|_| wrong("write it like https://minio.example:9000"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it has a user or a password in it; keys are set by access_key_id or credentials_file"));
    }
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => Ok(false),
        ("http", Some(host)) if config.allow_plain || is_loopback(host) => Ok(true),
        ("http", Some(_)) => Err(wrong(
            "it is http:// on another machine, where others may read what is sent; write https://, or set \
                       storage.allow_plain",
        )),
        _ => Err(wrong("write it like https://minio.example:9000")),
    }
}

/// The variables among these that are set, as settings of a store.
pub(super) fn variables<K: FromStr>(names: &[&str]) -> Vec<(K, String)> {
    let set = |name: &&str| Some((name.to_ascii_lowercase().parse().ok()?, env::var(name).ok()?));
    names.iter().filter_map(set).collect()
}

/// A store that its own library refuses to build.
pub(super) fn unbuilt(error: object_store::Error) -> OpenError {
    OpenError::of("url", words_of(&error))
}
