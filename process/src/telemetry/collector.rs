//! The collector of traces, over HTTP; the log says once that it is away, and once that it is back.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::{Client, StatusCode, redirect::Policy};
use tracing::{info, warn};
use url::Url;

use crate::is_loopback;

/// Limits for a request, and for its connection to be there.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes of an answer that are read; a good one has a few.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The collector at one address.
#[derive(Debug)]
pub(super) struct Collector {
    client: Client,
    /// Its scheme, host and port, for the log.
    origin: String,
    is_away: AtomicBool,
    /// It will not take what it was sent, however often: the answers to be tried again are those of OTLP.
    is_refused: Arc<AtomicBool>,
}

impl Collector {
    /// The collector at this address; it is not asked yet.
    pub(super) fn new(url: &Url) -> anyhow::Result<Self> {
        // Refused if it is installed already, and there is no other.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent("bellwire");
        if url.host_str().is_some_and(is_loopback) {
            builder = builder.no_proxy();
        }
        let client = builder.build().context("TLS cannot be set up")?;
        Ok(Self {
            client,
            origin: url.origin().ascii_serialization(),
            is_away: AtomicBool::new(false),
            is_refused: Arc::default(),
        })
    }

    /// Set while it answers so that nothing is gained by sending the same again.
    pub(super) fn is_refused(&self) -> Arc<AtomicBool> {
        self.is_refused.clone()
    }

    async fn send(&self, request: Request<Bytes>) -> reqwest::Result<Response<Bytes>> {
        let mut answer = self.client.execute(request.try_into()?).await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await?
            && body.len() < MAX_ANSWER_BYTES
        {
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body.into());
        *response.status_mut() = answer.status();
        Ok(response)
    }

    /// Says what has changed, and not each time what has not.
    fn note(&self, fault: Option<String>) {
        match (fault, &self.origin) {
            (Some(fault), origin) if !self.is_away.swap(true, Ordering::Relaxed) => {
                warn!(
                    collector = origin,
                    fault, "the collector takes no traces; they wait, and are dropped if it stays so"
                );
            }
            (None, origin) if self.is_away.swap(false, Ordering::Relaxed) => {
                info!(collector = origin, "the collector takes traces again");
            }
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request).await;
        let refuses = |status: StatusCode| {
            status.is_client_error() && !matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
        };
        let is_refused = sent.as_ref().is_ok_and(|response| refuses(response.status()));
        self.is_refused.store(is_refused, Ordering::Relaxed);
        self.note(match &sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answers {}", response.status())),
            Err(error) => Some(causes(error)),
        });
        Ok(sent?)
    }
}

/// An error with what has caused it, since reqwest's own text names only the address.
fn causes(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut words = if cause.is_none() { error.to_string() } else { String::new() };
    while let Some(inner) = cause {
        let separator = if words.is_empty() { "" } else { ": " };
        words += &format!("{separator}{inner}");
        cause = inner.source();
    }
    words
}
