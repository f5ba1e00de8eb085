//! The flags that all binaries share.

use std::path::PathBuf;

use clap::Args;

use crate::{
    config_error::ConfigError,
    settings::{Layers, Settings},
};

/// Flattened into each binary's own flags.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// The settings file; without it bellwire.toml, if there is one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// One setting, as in --set gateway.listen=127.0.0.1:8080; may be repeated
    #[arg(long, value_name = "PATH=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
}

impl Options {
    /// The settings that these flags ask for.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let variables = std::env::vars_os().collect();
        Settings::read(Layers { file: self.config.clone(), variables, flags: self.set.clone() })
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (path, value) = text.split_once('=').ok_or("write PATH=VALUE, as in gateway.listen=127.0.0.1:8080")?;
    Ok((path.trim().to_owned(), value.to_owned()))
}
