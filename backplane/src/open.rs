//! Opens and declares a backplane from its settings.

use std::fmt;

use model::environment::{Environment, Kind};
use serde::Deserialize;
use url::Url;

use crate::{
    backplane::Backplane,
    link::SendError,
    rabbitmq,
    topology::{Prefix, Topology},
};

/// `[backplane]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackplaneConfig {
    /// `BELLWIRE_BACKPLANE__URL`: `amqp://…` or `amqps://…`; `memory://` in `bellwire dev`. No default.
    pub url: String,
    /// `BELLWIRE_BACKPLANE__PREFIX`: the first word of all names on the broker. `bellwire`.
    #[serde(default)]
    pub prefix: Prefix,
}

impl fmt::Debug for BackplaneConfig {
    /// Without the address, which holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackplaneConfig").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// An address of no supported kind; the text never holds the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("backplane.url (BELLWIRE_BACKPLANE__URL): {0}")]
pub struct OpenError(String);

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
        rabbitmq::open(&config.url, config.topology(environment)?).map_err(OpenError)
    }

    /// Declares all that an environment needs on the broker, the queues of these kinds included: for operators.
    pub async fn declare(
        config: &BackplaneConfig,
        environment: &Environment,
        kinds: &[Kind],
    ) -> Result<(), DeclareError> {
        Ok(rabbitmq::declare(&config.url, config.topology(environment)?, kinds).await?)
    }
}

impl BackplaneConfig {
    /// The names on the broker, if the address is a broker's.
    fn topology(&self, environment: &Environment) -> Result<Topology, OpenError> {
        let url = Url::parse(&self.url).map_err(|error| OpenError(format!("no address: {error}")))?;
        match url.scheme() {
            "amqp" | "amqps" => Ok(Topology::new(self.prefix.clone(), environment.clone())),
            "memory" => Err(OpenError(
                "memory:// lives within one process: `bellwire dev` uses it, separate processes cannot".to_owned(),
            )),
            other => Err(OpenError(format!("{other}:// is neither amqp:// nor amqps://"))),
        }
    }
}
