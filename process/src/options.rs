//! The flags that all binaries share.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    config_error::ConfigError,
    layers,
    settings::{Layers, Settings},
};

/// The settings file of a process that is not told another.
const DEFAULT_FILE: &str = "bellwire.toml";

/// Flattened into each binary's own flags.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// The settings file; without it bellwire.toml, if there is one
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// One setting, as in --set gateway.listen=127.0.0.1:8080; may be repeated
    #[arg(long, value_name = "PATH=VALUE", value_parser = pair, global = true)]
    pub set: Vec<(String, String)>,
}

impl Options {
    /// The settings that these flags ask for.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        Settings::read(self.layers())
    }

    /// The flags, the variables of this process, and the named file or `bellwire.toml`, if there is one.
    pub fn layers(&self) -> Layers {
        let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists());
        let file = self.config.clone().or_else(default);
        Layers { file, variables: std::env::vars_os().collect(), flags: self.set.clone() }
    }

    /// What these flags say and nothing else, for a process that must not use what a deployment has on this machine;
    /// and in words what is there and left out.
    pub fn layers_of_flags(&self) -> (Layers, Option<String>) {
        let Layers { variables, .. } = self.layers();
        let file = (self.config.is_none() && Path::new(DEFAULT_FILE).exists())
            .then(|| format!("{DEFAULT_FILE} (--config {DEFAULT_FILE} to use it)"));
        let mut names: Vec<_> = layers::setting_names(&variables).collect();
        names.sort_unstable();
        let variables = (!names.is_empty()).then(|| format!("{} (--set to set it)", names.join(", ")));
        let unused: Vec<_> = file.into_iter().chain(variables).collect();
        let unused = (!unused.is_empty()).then(|| format!("here and not used: {}", unused.join("; ")));
        (Layers { file: self.config.clone(), flags: self.set.clone(), ..Layers::default() }, unused)
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (path, value) = text.split_once('=').ok_or("write PATH=VALUE, as in gateway.listen=127.0.0.1:8080")?;
    Ok((path.trim().to_owned(), value.to_owned()))
}
