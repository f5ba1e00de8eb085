//! An identity provider: whose tokens it issues, and the public keys that it signs them with, as they were last read.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use process::{ClaimNames, ProviderConfig};
use serde_json::{Number, Value};
use tokio::{sync::Notify, time::Instant};
use url::Url;

use super::{
    claim_rules::ClaimRules,
    error::TokenError,
    fetch::{Fetcher, key_url},
    jwt::Jwt,
    key_set::{KeySet, NotVerified},
    public_key::public_key_algorithm,
};
use crate::lock::lock;

/// An identity provider; cheap to clone.
#[derive(Debug, Clone)]
pub struct Provider(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    /// How its tokens are read.
    pub(super) rules: ClaimRules,
    /// Where its keys are.
    pub(super) source: KeySource,
    pub(super) fetcher: Fetcher,
    /// The algorithms that the settings allow; none are those of the keys.
    pub(super) algorithms: Vec<Algorithm>,
    /// How often the keys are read again, and how soon when one is unknown.
    pub(super) refresh: Duration,
    pub(super) refresh_at_soonest: Duration,
    pub(super) keys: Mutex<KnownKeys>,
    /// A token has named a key that is not known.
    pub(super) unknown_key: Notify,
}

/// Where the keys of a provider are.
#[derive(Debug)]
pub(super) enum KeySource {
    /// At this address.
    Jwks(Url),
    /// Where the document at this address says, which must be this issuer's.
    Discovery { document: Url, issuer: String },
}

/// The keys as they were last read.
#[derive(Debug)]
pub(super) struct KnownKeys {
    pub(super) set: Option<Arc<KeySet>>,
    /// When they were last read, by the clock on the wall.
    pub(super) read_at: Timestamp,
    pub(super) is_reading: bool,
    /// Before that they are not read again.
    pub(super) next_read: Instant,
}

impl Provider {
    /// A provider whose keys are not read yet. Its tokens are read with these names and this leeway where its own settings
    /// say nothing else.
    pub fn new(config: &ProviderConfig, names: &ClaimNames, leeway: Duration) -> anyhow::Result<Self> {
        let source = KeySource::of(config)?;
        let first = match &source {
            KeySource::Jwks(url) | KeySource::Discovery { document: url, .. } => url,
        };
        let fetcher = Fetcher::new(first, config.ca_file.as_deref()).context("ca_file")?;
        let algorithms = config.algorithms.iter().map(|name| {
            public_key_algorithm(name).ok_or_else(|| anyhow!("algorithms: {name:?} is none of a public key"))
        });
        Ok(Self(Arc::new(Inner {
            rules: ClaimRules {
                issuer: config.issuer.clone(),
                audience: config.audience.clone(),
                names: config.claims.as_ref().unwrap_or(names).clone(),
                leeway,
                prefix: config.prefix.clone(),
            },
            source,
            fetcher,
            algorithms: algorithms.collect::<anyhow::Result<_>>()?,
            refresh: config.refresh,
            refresh_at_soonest: config.refresh_at_soonest,
            keys: Mutex::new(KnownKeys {
                set: None,
                read_at: Timestamp::MIN,
                is_reading: true,
                next_read: Instant::now(),
            }),
            unknown_key: Notify::new(),
        })))
    }

    /// How its tokens are read.
    pub(super) fn rules(&self) -> &ClaimRules {
        &self.0.rules
    }

    /// A name of it for people: its issuer, or where its keys are.
    pub(crate) fn name(&self) -> String {
        match (&self.0.rules.issuer, &self.0.source) {
            (Some(issuer), _) => issuer.clone(),
            (None, KeySource::Jwks(url) | KeySource::Discovery { document: url, .. }) => url.to_string(),
        }
    }

    /// Checks that the token's signature was made with one of its keys. Nothing is fetched here: a key that is not known is
    /// asked for, and the token refused.
    pub(super) fn verify(&self, jwt: &Jwt<'_>, algorithm: Algorithm) -> Result<(), TokenError> {
        let set = lock(&self.0.keys).set.clone();
        match set.map(|set| set.verify(jwt, algorithm)) {
            Some(Ok(())) => Ok(()),
            Some(Err(NotVerified::Refused(error))) => Err(error),
            Some(Err(NotVerified::UnknownKey)) => Err(self.unknown_key(jwt)),
            None => Err(TokenError::KeysAreRead(self.wait())),
        }
    }

    /// Has the keys read again in the background, as soon as they may be. A token that was issued before they were last
    /// read would have been signed with one of them, and is refused for good.
    fn unknown_key(&self, jwt: &Jwt<'_>) -> TokenError {
        self.0.unknown_key.notify_one();
        let wait = self.wait();
        let may_be_new = {
            let keys = lock(&self.0.keys);
            let leeway = self.0.rules.leeway.as_secs_f64();
            let issued = jwt.claims.get("iat").and_then(Value::as_number).and_then(Number::as_f64);
            let read_at = keys.read_at.as_duration().as_secs_f64();
            keys.is_reading
                || Instant::now() >= keys.next_read
                || issued.is_some_and(|issued| issued + leeway >= read_at)
        };
        match may_be_new {
            true => TokenError::KeysAreRead(wait),
            false => TokenError::foreign("kid", "it is no key of the issuer")
                .found(jwt.key_id.as_deref().unwrap_or("none, and no key has made its signature")),
        }
    }

    /// Seconds until the keys may have been read again.
    fn wait(&self) -> u32 {
        let left = lock(&self.0.keys).next_read.saturating_duration_since(Instant::now());
        u32::try_from(left.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
    }
}

impl KeySource {
    fn of(config: &ProviderConfig) -> anyhow::Result<Self> {
        if let Some(url) = &config.jwks_url {
            return Ok(Self::Jwks(key_url(url).map_err(|error| anyhow!("jwks_url: {error}"))?));
        }
        let issuer = config.issuer.clone().context("issuer: set it, or jwks_url")?;
        // OpenID Connect Discovery 1.0, 4: a slash at the end of the issuer is removed first.
        let document = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document = key_url(&document).map_err(|error| anyhow!("issuer: {error}"))?;
        Ok(Self::Discovery { document, issuer })
    }
}
