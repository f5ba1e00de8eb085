//! The files that TLS to the broker is made with.

use std::path::{Path, PathBuf};

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};

/// Files in PEM, read for each connection: renewed ones need no restart.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Authorities besides the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// What the files hold now; an error names the file.
    pub async fn read(&self) -> Result<OwnedTLSConfig, String> {
        let cert_chain = match &self.ca {
            Some(file) => {
                let text = String::from_utf8(bytes(file).await?);
                Some(text.map_err(|_| format!("{} is no PEM", file.display()))?)
            }
            None => None,
        };
        let identity = match &self.identity {
            Some((certificate, key)) => {
                Some(OwnedIdentity::PKCS8 { pem: bytes(certificate).await?, key: bytes(key).await? })
            }
            None => None,
        };
        Ok(OwnedTLSConfig { identity, cert_chain })
    }
}

async fn bytes(file: &Path) -> Result<Vec<u8>, String> {
    tokio::fs::read(file).await.map_err(|error| format!("{} cannot be read: {error}", file.display()))
}
