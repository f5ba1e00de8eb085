//! TLS on the gateway's port: the certificate that is shown, and its files, which are read again when they change.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, anyhow};
use axum::http::StatusCode;
use jiff::Timestamp;
use metrics::gauge;
use process::quantity;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, sink},
    net::TcpStream,
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{info, warn};
use x509_parser::parse_x509_certificate;

use crate::{api::problem::Problem, lock::lock};

/// The time limit for a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The bytes that a client may still send of what was refused.
const MAX_REFUSED: u64 = 64 << 10;
/// Before a certificate expires it is warned of for this long.
const EXPIRES_SOON: Duration = Duration::from_secs(7 * 24 * 3600);
/// The protocols that are agreed on by ALPN, the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// `[gateway.tls]`: with it the port speaks TLS 1.2 and 1.3, and nothing else.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// `BELLWIRE_GATEWAY__TLS__CERTIFICATE_FILE`: the certificate and those between it and its authority, in PEM.
    pub certificate_file: PathBuf,
    /// `BELLWIRE_GATEWAY__TLS__KEY_FILE`: the certificate's private key, in PEM.
    pub key_file: PathBuf,
    /// `BELLWIRE_GATEWAY__TLS__REFRESH`: how often the files are looked at; once they have changed, new connections are shown
    /// the new certificate. `10s`.
    #[serde(default = "usual_refresh", deserialize_with = "quantity::duration")]
    pub refresh: Duration,
}

fn usual_refresh() -> Duration {
    Duration::from_secs(10)
}

/// TLS with a certificate.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    config: TlsConfig,
    shown: Arc<Shown>,
}

/// The certificate that new connections are shown.
#[derive(Debug)]
struct Shown(Mutex<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(lock(&self.0).clone())
    }
}

impl Tls {
    /// Reads the files; an error names the setting, the file and what is wrong.
    pub(crate) fn open(config: &TlsConfig) -> anyhow::Result<Self> {
        let key = read(config)?.certified_key(config)?;
        let shown = Arc::new(Shown(Mutex::new(Arc::new(key))));
        let provider = Arc::new(ring::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        tls.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        Ok(Self { acceptor: Arc::new(tls).into(), config: config.clone(), shown })
    }

    /// Shakes hands with a client. One that speaks without TLS is told so.
    pub(super) async fn accept(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let accepted = timeout(HANDSHAKE_TIMEOUT, async {
            let mut first = [0];
            tcp.peek(&mut first).await?;
            if first[0].is_ascii_uppercase() {
                refuse(tcp).await?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it speaks HTTP without TLS"));
            }
            self.acceptor.accept(tcp).await
        });
        accepted.await.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the handshake of TLS took too long"))?
    }

    /// Reads the files again and again, and shows their certificate once they hold another. What cannot be used changes
    /// nothing, and is told once.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        let (mut known, mut told) = (read(&self.config).ok(), String::new());
        loop {
            sleep(self.config.refresh).await;
            let config = self.config.clone();
            let Ok(now) = spawn_blocking(move || read(&config)).await else { return };
            if now.as_ref().is_ok_and(|now| known.as_ref() == Some(now)) {
                continue;
            }
            match now.and_then(|now| Ok((now.certified_key(&self.config)?, now))) {
                Ok((key, now)) => {
                    *lock(&self.shown.0) = Arc::new(key);
                    (known, told) = (Some(now), String::new());
                    info!(file = %self.config.certificate_file.display(), "another certificate is shown from now on");
                }
                Err(error) => {
                    let text = format!("{error:#}");
                    if text != told {
                        warn!(error = text, "the files of gateway.tls cannot be used; the certificate stays");
                        told = text;
                    }
                }
            }
        }
    }
}

/// What the files hold.
#[derive(PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

fn read(config: &TlsConfig) -> anyhow::Result<Files> {
    let read = |name: &str, path: &Path| std::fs::read(path).with_context(|| named(name, path));
    Ok(Files {
        certificate: read("certificate_file", &config.certificate_file)?,
        key: read("key_file", &config.key_file)?,
    })
}

impl Files {
    fn certified_key(&self, config: &TlsConfig) -> anyhow::Result<CertifiedKey> {
        let of_certificate = || named("certificate_file", &config.certificate_file);
        let of_key = || named("key_file", &config.key_file);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| anyhow!("it is not PEM: {error}"))
            .with_context(of_certificate)?;
        let first = chain.first().context("it holds no certificate in PEM").with_context(of_certificate)?;
        let expires = expiry(first).with_context(of_certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| anyhow!("it holds no private key in PEM: {error}"))
            .with_context(of_key)?;
        let key = ring::sign::any_supported_type(&key)
            .map_err(|error| anyhow!("the key is of no kind that can be used: {error}"))
            .with_context(of_key)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(anyhow!("it is not the key of the certificate in certificate_file").context(of_key()));
            }
            Err(error) => {
                return Err(anyhow!("its first certificate cannot be used: {error}").context(of_certificate()));
            }
        }
        tell_expiry(&config.certificate_file, expires);
        Ok(certified)
    }
}

fn named(name: &str, path: &Path) -> String {
    format!("gateway.tls.{name} (BELLWIRE_GATEWAY__TLS__{}): {}", name.to_uppercase(), path.display())
}

fn expiry(certificate: &CertificateDer<'_>) -> anyhow::Result<Timestamp> {
    let (_, certificate) =
        parse_x509_certificate(certificate).map_err(|error| anyhow!("its first certificate is none: {error}"))?;
    Ok(Timestamp::from_second(certificate.validity().not_after.timestamp())?)
}

fn tell_expiry(file: &Path, expires: Timestamp) {
    gauge!("bellwire_tls_certificate_expires_seconds").set(expires.as_second() as f64);
    let (now, file) = (Timestamp::now(), file.display());
    if expires <= now {
        warn!(%file, %expires, "the certificate has expired: clients refuse it");
    } else if expires < now + EXPIRES_SOON {
        warn!(%file, %expires, "the certificate expires soon");
    }
}

/// Answers HTTP where TLS is spoken. Closing with something unread would reset the connection before that is read.
async fn refuse(mut tcp: TcpStream) -> io::Result<()> {
    tcp.write_all(refusal().as_bytes()).await?;
    tcp.shutdown().await?;
    copy(&mut tcp.take(MAX_REFUSED), &mut sink()).await.map(drop)
}

fn refusal() -> String {
    let problem =
        Problem::new(StatusCode::BAD_REQUEST, "tls-only", "this port speaks TLS: the address begins with https://");
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len())
}
