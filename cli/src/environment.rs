//! The environment that a command is for, and its backplane.

use backplane::{Backplane, BackplaneConfig};
use model::Environment;
use process::{ConfigError, Environments, Options, Settings};

/// What every command for an environment takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    #[command(flatten)]
    pub(crate) options: Options,

    /// The environment; may be left out where the settings hold one
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) environment: Option<Environment>,
}

/// The environment of the flag, or the only one configured; a name that is not configured is most likely a mistake.
pub(crate) fn select(settings: &Settings, flag: Option<&Environment>) -> Result<Environment, ConfigError> {
    match flag {
        // An operator's machine needs no more than the broker's address.
        Some(name) if !settings.has("environment") => Ok(name.clone()),
        flag => Ok(Environments::read(settings)?.select(flag)?.name.clone()),
    }
}

/// The environment of the flag, or the first configured, for events that go everywhere.
pub(crate) fn select_any(settings: &Settings, flag: Option<&Environment>) -> Result<Environment, ConfigError> {
    match flag {
        Some(_) => select(settings, flag),
        None => Ok(Environments::read(settings)?.all()[0].name.clone()),
    }
}

/// The backplane of an environment.
pub(crate) fn backplane(settings: &Settings, environment: &Environment) -> anyhow::Result<Backplane> {
    Ok(Backplane::open(&backplane_config(settings, environment)?, environment)?)
}

/// The backplane settings of an environment.
pub(crate) fn backplane_config(settings: &Settings, environment: &Environment) -> Result<BackplaneConfig, ConfigError> {
    match settings.has("environment") {
        true => Environments::read(settings)?.backplane(settings, environment),
        false => settings.section("backplane"),
    }
}
