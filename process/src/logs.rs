//! Logs: readable on a terminal, one JSON object a line everywhere else. Both on standard error.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use crate::{config_error::ConfigError, settings::Settings};

/// What strangers could fill the log with, unless the filter names it: h2 warns of each frame that was not asked for.
const QUIET: &str = "h2=error";

/// `[log]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `BELLWIRE_LOG__FILTER`: which lines, as in `info,backplane=debug`; `RUST_LOG` wins over it. `info`.
    pub filter: String,
    /// `BELLWIRE_LOG__FORMAT`: `text`, `json`, or `auto`, which is text on a terminal. `auto`.
    pub format: Format,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: Format::Auto }
    }
}

/// The format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Starts the logs of this process; only the first call counts.
pub fn init(settings: &Settings) -> Result<(), ConfigError> {
    let config: LogConfig = settings.section("log")?;
    let filter = filter(&config, std::env::var("RUST_LOG").ok(), settings)?;
    let terminal = std::io::stderr().is_terminal();
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    let json = config.format == Format::Json || (config.format == Format::Auto && !terminal);
    let first = if json { subscriber.json().flatten_event(true).try_init() } else { subscriber.compact().try_init() };
    if first.is_ok() && json {
        // A panic's lines would break the stream of objects.
        std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panicked")));
    }
    for (name, meant) in settings.misspelled_variables() {
        tracing::warn!("the variable {name} is no setting; if it was meant to be one, write {meant}");
    }
    Ok(())
}

fn filter(config: &LogConfig, rust_log: Option<String>, settings: &Settings) -> Result<EnvFilter, ConfigError> {
    let parse = |text: &str| EnvFilter::builder().parse(format!("{QUIET},{text}"));
    match rust_log.filter(|text| !text.is_empty()) {
        Some(text) => parse(&text).map_err(|error| ConfigError::source("RUST_LOG", error)),
        None => parse(&config.filter).map_err(|error| settings.invalid("log.filter", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Layers;

    fn with(path: &str, value: &str) -> Settings {
        Settings::read(Layers { flags: vec![(path.to_owned(), value.to_owned())], ..Layers::default() }).unwrap()
    }

    #[test]
    fn a_stranger_fills_the_log_only_where_the_filter_asks_for_it() {
        for (value, is_quiet) in [("info", true), ("trace", true), ("gateway=debug", true), ("info,h2=debug", false)] {
            let settings = with("log.filter", value);
            let filter = filter(&settings.section("log").unwrap(), None, &settings).unwrap().to_string();
            assert_eq!(filter.contains("h2=error"), is_quiet, "{filter}");
        }
    }

    #[test]
    fn a_filter_that_is_none_is_answered_with_the_name_of_its_setting() {
        let settings = with("log.filter", "backplane=loud");
        let config: LogConfig = settings.section("log").unwrap();
        let error = filter(&config, None, &settings).unwrap_err().to_string();
        assert!(error.starts_with("log.filter (BELLWIRE_LOG__FILTER): "), "{error}");
        let error = filter(&config, Some("a=b=c".to_owned()), &settings).unwrap_err().to_string();
        assert!(error.starts_with("RUST_LOG: "), "{error}");
        assert!(filter(&config, Some("debug".to_owned()), &settings).is_ok());
    }

    #[test]
    fn a_format_that_is_none_is_answered_with_those_there_are() {
        let error = with("log.format", "xml").section::<LogConfig>("log").unwrap_err().to_string();
        assert!(error.starts_with("log.format (BELLWIRE_LOG__FORMAT): "), "{error}");
        assert!(error.contains("xml"), "{error}");
    }
}
