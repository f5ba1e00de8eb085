//! Opens and declares a backplane from its settings.

use std::{fmt, path::PathBuf};

use model::environment::{Environment, Kind};
use serde::Deserialize;
use url::Url;

use crate::{
    backplane::Backplane,
    link::SendError,
    rabbitmq,
    tls_files::TlsFiles,
    topology::{Prefix, Topology},
};

/// `[backplane]`.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackplaneConfig {
    /// `BELLWIRE_BACKPLANE__URL`: `amqp://…` or `amqps://…`; `memory://` in `bellwire dev`. No default.
    pub url: String,
    /// `BELLWIRE_BACKPLANE__PREFIX`: the first word of all names on the broker. `bellwire`.
    #[serde(default)]
    pub prefix: Prefix,
    /// `BELLWIRE_BACKPLANE__CA_FILE`: certificates that an `amqps://` broker may show besides the system's. None.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// `BELLWIRE_BACKPLANE__CERTIFICATE_FILE`: our certificate for a broker that asks for one, in PEM; with `key_file`. None.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// `BELLWIRE_BACKPLANE__KEY_FILE`: its private key, in PEM. All three are read for each connection. None.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

impl fmt::Debug for BackplaneConfig {
    /// Without the address, which holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackplaneConfig").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// An address of no supported kind, or files for TLS that are not all there; the text never holds the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("backplane.{setting} (BELLWIRE_BACKPLANE__{}): {reason}", .setting.to_ascii_uppercase())]
pub struct OpenError {
    setting: &'static str,
    reason: String,
}

impl OpenError {
    fn of(setting: &'static str, reason: impl Into<String>) -> Self {
        Self { setting, reason: reason.into() }
    }
}

/// Why an environment could not be declared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclareError {
    /// The address is invalid.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The broker cannot be reached, or refuses.
    #[error(transparent)]
    Broker(#[from] SendError),
}

impl Backplane {
    /// Opens the backplane of one environment. Returns at once: it connects, and reconnects, in the background.
    pub fn open(config: &BackplaneConfig, environment: &Environment) -> Result<Self, OpenError> {
        rabbitmq::open(&config.url, config.tls()?, config.topology(environment)?)
            .map_err(|reason| OpenError::of("url", reason))
    }

    /// Declares all that an environment needs on the broker, the queues of these kinds included: for operators.
    pub async fn declare(
        config: &BackplaneConfig,
        environment: &Environment,
        kinds: &[Kind],
    ) -> Result<(), DeclareError> {
        Ok(rabbitmq::declare(&config.url, config.tls()?, config.topology(environment)?, kinds).await?)
    }
}

impl BackplaneConfig {
    /// The files for TLS, which are there now: a name that is mistyped is found at the start.
    fn tls(&self) -> Result<TlsFiles, OpenError> {
        let files =
            [("ca_file", &self.ca_file), ("certificate_file", &self.certificate_file), ("key_file", &self.key_file)];
        for (setting, file) in files {
            if let Some(file) = file {
                let unreadable = |error| OpenError::of(setting, format!("{} cannot be read: {error}", file.display()));
                std::fs::File::open(file).map_err(unreadable)?;
            }
        }
        let identity = match (&self.certificate_file, &self.key_file) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => return Err(OpenError::of("key_file", "certificate_file needs it")),
            (None, Some(_)) => return Err(OpenError::of("certificate_file", "key_file needs it")),
        };
        Ok(TlsFiles { ca: self.ca_file.clone(), identity })
    }

    /// The names on the broker, if the address is a broker's.
    fn topology(&self, environment: &Environment) -> Result<Topology, OpenError> {
        let url = Url::parse(&self.url).map_err(|error| OpenError::of("url", format!("no address: {error}")))?;
        match url.scheme() {
            "amqp" | "amqps" => Ok(Topology::new(self.prefix.clone(), environment.clone())),
            "memory" => Err(OpenError::of(
                "url",
                "memory:// lives within one process: `bellwire dev` uses it, separate processes cannot",
            )),
            other => Err(OpenError::of("url", format!("{other}:// is neither amqp:// nor amqps://"))),
        }
    }
}
