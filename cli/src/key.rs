//! `bellwire key`: prints the public key of an environment's gateways.

use process::{Environments, ExposeSecret, Settings};
use signing::SigningKey;

use crate::{environment::Target, terminal::print};

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Prints the key alone, so that a script can take it; it is made from the environment's secret, and is none.
pub(crate) async fn print_public(settings: Settings, flags: Flags) -> anyhow::Result<()> {
    let environments = Environments::read(&settings)?;
    let environment = environments.select(flags.target.environment.as_ref())?;
    let secret = environments.key(&settings, &environment.name)?;
    print(&SigningKey::derived_from(secret.expose_secret()).verifying_key().to_string())?;
    Ok(())
}
