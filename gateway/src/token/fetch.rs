//! Fetches small documents of identity providers: within a time and a size, over TLS, without following redirects.

use std::{fs, path::Path, time::Duration};

use anyhow::Context;
use reqwest::{Certificate, Client, redirect::Policy};
use url::Url;

use crate::hmac;

/// The time that a document may take.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes of a document.
const MAX_BYTES: usize = 512 * 1024;

/// Fetches documents; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Fetcher(Client);

impl Fetcher {
    /// A fetcher that believes the system's certificates, and those in a file of PEM. `first` is where it will go: what is
    /// on this machine is not asked for through a proxy.
    pub(super) fn new(first: &Url, ca_file: Option<&Path>) -> anyhow::Result<Self> {
        hmac::install();
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent("bellwire")
            .pool_max_idle_per_host(0);
        if is_loopback(first) {
            builder = builder.no_proxy();
        }
        if let Some(file) = ca_file {
            let pem = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("{} holds no certificates in PEM", file.display()))?;
            builder = builder.tls_certs_merge(certificates);
        }
        Ok(Self(builder.build().context("TLS cannot be set up")?))
    }

    /// Fetches a document; the error says what went wrong, and where.
    pub(super) async fn get(&self, url: &Url) -> Result<Vec<u8>, String> {
        self.try_get(url).await.map_err(|error| format!("{url}: {error:#}"))
    }

    async fn try_get(&self, url: &Url) -> anyhow::Result<Vec<u8>> {
        let mut response = self.0.get(url.clone()).header("accept", "application/json").send().await?;
        let status = response.status();
        // A redirect as well: where the keys are is said in the settings or by the issuer, and by nobody on the way.
        anyhow::ensure!(status.is_success(), "it answers {status}");
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            anyhow::ensure!(document.len() + chunk.len() <= MAX_BYTES, "it is larger than {MAX_BYTES} bytes");
            document.extend_from_slice(&chunk);
        }
        Ok(document)
    }
}

/// Reads an address from which keys may be fetched: over https, or on this machine.
pub(super) fn key_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{text:?} is no address: {error}"))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(format!(
            "{text:?} must begin with https://, unless it is on loopback: keys that anybody can change prove nothing"
        )),
    }
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(process::is_loopback)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        for good in
            ["https://login.example.com/keys", "http://127.0.0.1:8080/keys", "http://[::1]/keys", "http://localhost/"]
        {
            assert!(key_url(good).is_ok(), "{good}");
        }
        for bad in
            ["http://login.example.com/keys", "http://localhost.evil/", "file:///etc/keys", "keys", "ftp://127.0.0.1/"]
        {
            assert!(key_url(bad).is_err(), "{bad}");
        }
    }

    /// The address of a server that answers everything with these bytes.
    async fn served(answer: String) -> Url {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = [0; 4096];
                if socket.read(&mut head).await.is_ok() {
                    socket.write_all(answer.as_bytes()).await.ok();
                    socket.shutdown().await.ok();
                }
            }
        });
        url
    }

    async fn get(answer: String) -> Result<Vec<u8>, String> {
        let url = served(answer).await;
        Fetcher::new(&url, None).unwrap().get(&url).await
    }

    #[tokio::test]
    async fn a_document_is_small_and_comes_from_where_it_was_asked_for() {
        assert_eq!(get("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned()).await.as_deref(), Ok(&b"{}"[..]));
        let elsewhere = served("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned()).await;
        let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
        assert!(get(redirect).await.unwrap_err().contains("it answers 302"));
        let large = "x".repeat(MAX_BYTES + 1);
        let error = get(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{large}")).await.unwrap_err();
        assert!(error.contains("larger than"), "{error}");
        let gone = get("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned()).await.unwrap_err();
        assert!(gone.starts_with("http://127.0.0.1:") && gone.contains("503"), "{gone}");
    }
}
