//! Reads the keys of an identity provider again and again, in the background of all requests.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use metrics::counter;
use process::Condition;
use rand::random_range;
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};
use url::Url;

use super::{
    fetch::key_url,
    key_set::KeySet,
    provider::{Inner, KeySource, Provider},
};
use crate::lock::lock;

/// The pauses after reading has failed: the first, doubled each time up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// Keeps a provider's keys and the condition of readiness in step with it; never ends. While it is away its old keys serve.
pub(crate) async fn keep_keys(provider: Provider, environment: String, condition: Condition) {
    let name = provider.name();
    condition.not_ready("its keys are being read");
    let inner = &provider.0;
    let mut failures = 0;
    loop {
        lock(&inner.keys).is_reading = true;
        // Before the request: a token that was issued since then may be signed with a newer key.
        let read_at = Timestamp::now();
        let read = read_keys(inner).await;
        let result = if read.is_ok() { "ok" } else { "failed" };
        counter!("bellwire_provider_reads_total", "environment" => environment.clone(), "result" => result)
            .increment(1);
        let pause = match read {
            Ok((set, left_out)) => {
                failures = 0;
                condition.ready();
                report(&environment, &name, &set, &left_out, lock(&inner.keys).set.is_none());
                let mut keys = lock(&inner.keys);
                keys.set = Some(Arc::new(set));
                keys.read_at = read_at;
                // At random, so that pods that were started together take turns.
                inner.refresh.mul_f64(random_range(0.8..1.0))
            }
            Err(error) => {
                let serves = if lock(&inner.keys).set.is_some() { "the old ones serve" } else { "none are known" };
                warn!(environment, provider = name, error, "the keys of an identity provider cannot be read; {serves}");
                condition.degraded(format!("its keys cannot be read, {serves}: {error}"));
                let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(6)).min(LAST_PAUSE);
                failures += 1;
                pause.mul_f64(random_range(0.5..1.0))
            }
        };
        // While it fails, an unknown key makes it no more frequent.
        let next_read = Instant::now() + if failures == 0 { inner.refresh_at_soonest.min(pause) } else { pause };
        {
            let mut keys = lock(&inner.keys);
            keys.is_reading = false;
            keys.next_read = next_read;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = async {
                inner.unknown_key.notified().await;
                sleep_until(next_read).await;
            } => {}
        }
    }
}

fn report(environment: &str, provider: &str, set: &KeySet, left_out: &[String], is_first: bool) {
    if is_first {
        info!(environment, provider, keys = set.len(), ?left_out, "the keys of an identity provider were read");
    }
}

async fn read_keys(inner: &Inner) -> Result<(KeySet, Vec<String>), String> {
    let url = match &inner.source {
        KeySource::Jwks(url) => url.clone(),
        KeySource::Discovery { document, issuer } => discover(inner, document, issuer).await?,
    };
    let document = inner.fetcher.get(&url).await?;
    KeySet::read(&document, &inner.algorithms).map_err(|error| format!("{url}: {error}"))
}

/// The address of the keys as the issuer's discovery document names it.
async fn discover(inner: &Inner, document: &Url, issuer: &str) -> Result<Url, String> {
    #[derive(Deserialize)]
    struct Metadata {
        issuer: String,
        jwks_uri: String,
    }
    let found = inner.fetcher.get(document).await?;
    let found: Metadata = serde_json::from_slice(&found)
        .map_err(|error| format!("{document}: it is no discovery document with issuer and jwks_uri: {error}"))?;
    // OpenID Connect Discovery 1.0, 4.3: or another's document would vouch for this issuer's keys.
    if found.issuer != issuer {
        return Err(format!("{document}: it is the document of the issuer {:?}, and not of {issuer:?}", found.issuer));
    }
    key_url(&found.jwks_uri).map_err(|error| format!("{document}: jwks_uri: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use jsonwebtoken::Algorithm;
    use process::{ClaimNames, ProviderConfig, Readiness};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::token::Jwt;

    /// The error of reading the keys of an issuer whose discovery document this makes of its address.
    async fn discovering(document: impl FnOnce(&str) -> String) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let document = document(&issuer);
        let answering = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let read = socket.read(&mut [0; 4096]).await.unwrap();
            assert!(read > 0);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", document.len());
            socket.write_all(format!("{head}{document}").as_bytes()).await.unwrap();
        };
        let config = ProviderConfig { issuer: Some(issuer.clone()), ..ProviderConfig::default() };
        let provider = Provider::new(&config, &ClaimNames::default(), Duration::ZERO).unwrap();
        let ((), read) = tokio::join!(answering, read_keys(&provider.0));
        read.map(|(set, _)| set.len()).unwrap_err()
    }

    /// An address of keys, and how often they were read there.
    async fn counted_keys() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = reads.clone();
        tokio::spawn(async move {
            let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let length = socket.read(&mut head).await.unwrap_or_default();
                if head[..length].starts_with(b"GET /keys ") {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", keys.len());
                socket.write_all(format!("{head}{keys}").as_bytes()).await.ok();
            }
        });
        (url, reads)
    }

    /// A provider that is kept in step, with these pauses.
    fn kept(url: &str, refresh_at_soonest: Duration) -> Provider {
        let hour = Duration::from_secs(3600);
        let config = ProviderConfig {
            jwks_url: Some(url.to_owned()),
            refresh: hour,
            refresh_at_soonest,
            ..ProviderConfig::default()
        };
        let provider = Provider::new(&config, &ClaimNames::default(), Duration::ZERO).unwrap();
        let condition = Readiness::default().condition_of("prod".to_owned(), "provider 0".to_owned());
        tokio::spawn(keep_keys(provider.clone(), "prod".to_owned(), condition));
        provider
    }

    #[tokio::test]
    async fn unknown_keys_have_the_keys_read_again_and_no_more_often_than_the_setting_says() {
        // {"alg":"EdDSA","kid":"x"}
        let jwt = Jwt::read("eyJhbGciOiJFZERTQSIsImtpZCI6IngifQ.e30.AAAA").unwrap();
        let (url, reads) = counted_keys().await;
        let often = kept(&url, Duration::ZERO);
        while reads.load(Ordering::SeqCst) < 5 {
            assert!(often.verify(&jwt, Algorithm::EdDSA).is_err());
            tokio::task::yield_now().await;
        }
        let (url, reads) = counted_keys().await;
        let seldom = kept(&url, Duration::from_secs(3600));
        let elsewhere: Url = url.replace("/keys", "/").parse().unwrap();
        for _ in 0..50 {
            assert!(seldom.verify(&jwt, Algorithm::EdDSA).is_err());
            // As long as reading the keys takes.
            seldom.0.fetcher.get(&elsewhere).await.unwrap();
        }
        assert_eq!(reads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_discovery_document_speaks_for_its_own_issuer_and_names_keys_that_nobody_can_change() {
        let error =
            discovering(|_| r#"{"issuer":"https://evil.example","jwks_uri":"https://x/keys"}"#.to_owned()).await;
        assert!(error.contains("the document of the issuer \"https://evil.example\""), "{error}");
        let error = discovering(|issuer| format!(r#"{{"issuer":"{issuer}/","jwks_uri":"https://x/keys"}}"#)).await;
        assert!(error.contains("and not of"), "{error}");
        let error = discovering(|issuer| format!(r#"{{"issuer":"{issuer}","jwks_uri":"http://keys.example/"}}"#)).await;
        assert!(error.contains("jwks_uri") && error.contains("must begin with https://"), "{error}");
        let error = discovering(|_| "<html>".to_owned()).await;
        assert!(error.contains("no discovery document"), "{error}");
    }
}
