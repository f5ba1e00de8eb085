//! The layers of the settings as sources of the `config` crate, each value knowing where it came from.

use std::{ffi::OsString, fs, path::Path};

use config::{Map, Source, Value};

use crate::config_error::ConfigError;

const PREFIX: &str = "BELLWIRE_";

/// Most entries of a list; a mistyped index must not make a list of a billion.
const MAX_LIST_ENTRIES: usize = 100;

/// One value with its path, as a source of the `config` crate, so that order is kept.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    path: String,
    value: Value,
}

impl Source for Setting {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok([(self.path.clone(), self.value.clone())].into_iter().collect())
    }
}

impl Setting {
    fn new<'a>(origin: &str, segments: impl Iterator<Item = &'a str>, text: String) -> Result<Self, ConfigError> {
        let mut path = String::new();
        for segment in segments {
            match segment.parse::<usize>() {
                Ok(index) if index < MAX_LIST_ENTRIES && !path.is_empty() => path.push_str(&format!("[{index}]")),
                Ok(_) => return Err(ConfigError::source(origin, format!("{segment} is no place in a list"))),
                Err(_) if is_word(segment) => {
                    path.push_str(if path.is_empty() { "" } else { "." });
                    path.push_str(segment);
                }
                Err(_) => return Err(ConfigError::source(origin, "it is no path of a setting")),
            }
        }
        Ok(Self { path, value: Value::new(Some(&origin.to_owned()), text) })
    }
}

/// Flags: dotted paths and texts.
pub(crate) fn flags(pairs: &[(String, String)]) -> Result<Vec<Setting>, ConfigError> {
    let setting = |(path, text): &(String, String)| {
        let path = path.replace('[', ".").replace(']', "");
        Setting::new(&format!("the flag {path}"), path.split('.'), text.clone())
    };
    pairs.iter().map(setting).collect()
}

/// The `BELLWIRE_…` variables with a `__` in their name.
pub(crate) fn variables(variables: Vec<(OsString, OsString)>) -> Result<Vec<Setting>, ConfigError> {
    let mut settings = Vec::new();
    for (name, text) in variables {
        let Some(name) = name.to_str() else { continue };
        let Some(path) = name.strip_prefix(PREFIX).filter(|path| path.contains("__")) else { continue };
        let origin = format!("the variable {name}");
        let text = text.into_string().map_err(|_| ConfigError::source(&origin, "its value is not UTF-8"))?;
        settings.push(Setting::new(&origin, path.to_lowercase().split("__"), text)?);
    }
    // A table is set before its fields, whatever the order of the variables.
    settings.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(settings)
}

fn is_word(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The names of the variables that set something.
pub(crate) fn setting_names(variables: &[(OsString, OsString)]) -> impl Iterator<Item = &str> {
    let names = variables.iter().filter_map(|(name, _)| name.to_str());
    names.filter(|name| name.strip_prefix(PREFIX).is_some_and(|path| path.contains("__")))
}

/// Variables that seem to lack an underscore, each with the name that was probably meant.
pub(crate) fn misspelled_variables(variables: &[(OsString, OsString)], sections: &[&str]) -> Vec<(String, String)> {
    // Kubernetes describes a service `bellwire-gateway` to its pods in variables like these.
    let of_kubernetes = |rest: &str| rest.starts_with("SERVICE_") || rest == "PORT" || rest.starts_with("PORT_");
    let mut found = Vec::new();
    for name in variables.iter().filter_map(|(name, _)| name.to_str()) {
        let Some(path) = name.strip_prefix(PREFIX).filter(|path| !path.contains("__")) else { continue };
        for section in sections {
            let section = section.to_uppercase();
            let rest = path.strip_prefix(&section).and_then(|rest| rest.strip_prefix('_'));
            if let Some(rest) = rest.filter(|rest| !of_kubernetes(rest)) {
                found.push((name.to_owned(), format!("{PREFIX}{section}__{rest}")));
            }
        }
    }
    found
}

/// The settings file's name and text.
pub(crate) fn file(path: Option<&Path>) -> Result<Option<(String, String)>, ConfigError> {
    let Some(path) = path else { return Ok(None) };
    let shown = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => {
            check_syntax(&shown, &text)?;
            Ok(Some((shown, text)))
        }
        Err(error) => Err(ConfigError::source(&shown, format!("the settings file cannot be read: {error}"))),
    }
}

/// Checked here because the library's error quotes the line, and the line may hold a password.
fn check_syntax(file: &str, text: &str) -> Result<(), ConfigError> {
    let Err(error) = toml::de::DeTable::parse(text) else { return Ok(()) };
    let position = error.span().map_or_else(String::new, |span| {
        let line = text.get(..span.start).unwrap_or(text).matches('\n').count() + 1;
        format!(", line {line}")
    });
    Err(ConfigError::source(&format!("{file}{position}"), error.message().replace('\n', ", ")))
}
