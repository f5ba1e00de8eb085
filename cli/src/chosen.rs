//! Which environment a command means, and the way to it.

use backplane::{Backplane, BackplaneConfig};
use model::Environment;
use process::{ConfigError, Environments, Settings};

/// The environment of a flag, or the only one configured; a name that is not configured is most likely a slip.
pub(crate) fn environment(settings: &Settings, flag: Option<&Environment>) -> Result<Environment, ConfigError> {
    match flag {
        // An operator's machine needs no more than the broker's address.
        Some(name) if !settings.has("environment") => Ok(name.clone()),
        flag => Ok(Environments::read(settings)?.select(flag)?.name.clone()),
    }
}

/// Any environment, for words that go everywhere.
pub(crate) fn any_environment(settings: &Settings, flag: Option<&Environment>) -> Result<Environment, ConfigError> {
    match flag {
        Some(_) => environment(settings, flag),
        None => Ok(Environments::read(settings)?.all()[0].name.clone()),
    }
}

/// The backplane of an environment.
pub(crate) fn backplane(settings: &Settings, environment: &Environment) -> anyhow::Result<Backplane> {
    Ok(Backplane::open(&config(settings, environment)?, environment)?)
}

/// Where an environment's backplane is.
pub(crate) fn config(settings: &Settings, environment: &Environment) -> Result<BackplaneConfig, ConfigError> {
    match settings.has("environment") {
        true => Environments::read(settings)?.backplane(settings, environment),
        false => settings.section("backplane"),
    }
}
