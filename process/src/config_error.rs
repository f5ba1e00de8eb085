//! A setting that is wrong: its path, its variable, where it was set, and why. Never a secret's value.

use std::fmt;

/// An error about a setting: which one, how it may be set, and why it was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ConfigError {
    /// About the setting at a path, such as `environment[0].name`; `origin` is the layer that set it.
    pub fn setting(path: &str, origin: Option<&str>, reason: impl fmt::Display) -> Self {
        let origin = origin.map_or_else(String::new, |origin| format!("; set by {origin}"));
        Self(format!("{path} ({}): {reason}{origin}", variable(path)))
    }

    /// About a file, a variable or a flag as a whole.
    pub(crate) fn source(source: &str, reason: impl fmt::Display) -> Self {
        Self(format!("{source}: {reason}"))
    }

    /// From an error of the `config` crate.
    pub(crate) fn from_library(
        error: config::ConfigError,
        path: &str,
        origin: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let (below, reason) = explain(error);
        let path = join(path, &below);
        let origin = origin(&path);
        Self::setting(&path, origin.as_deref(), reason)
    }
}

/// The variable that sets a path: `environment[0].name` is `BELLWIRE_ENVIRONMENT__0__NAME`.
fn variable(path: &str) -> String {
    let path = path.replace('[', "__").replace(']', "").replace('.', "__");
    format!("BELLWIRE_{}", path.to_uppercase())
}

/// The library forgets the dot after an index: `[0]name`.
fn join(path: &str, below: &str) -> String {
    let mut whole = path.to_owned();
    for segment in below.replace('[', ".[").replace(']', "].").split('.').filter(|segment| !segment.is_empty()) {
        if !whole.is_empty() && !segment.starts_with('[') {
            whole.push('.');
        }
        whole.push_str(segment);
    }
    whole
}

/// The path below the section, and the reason.
fn explain(error: config::ConfigError) -> (String, String) {
    use config::ConfigError as E;
    match error {
        E::NotFound(path) => (path, "it has no default and was not set".to_owned()),
        E::Type { unexpected, expected, key, .. } => {
            let text = format!("invalid type: {unexpected}, expected {expected}");
            (key.unwrap_or_default(), without_text(&text))
        }
        E::At { error, key, .. } => {
            let (below, reason) = explain(*error);
            (join(&key.unwrap_or_default(), &below), reason)
        }
        E::Message(text) => match unknown_field(&text) {
            Some((field, known)) => (field.to_owned(), format!("there is no such setting{known}")),
            None => (String::new(), without_text(&text)),
        },
        other => (String::new(), other.to_string()),
    }
}

/// A number of the wrong kind may be shown. A text may be a password that landed on the wrong line.
fn without_text(reason: &str) -> String {
    match (reason.split_once(": string \""), reason.rsplit_once("\", expected ")) {
        (Some((kind, _)), Some((_, expected))) => format!("{kind}: a text, expected {expected}"),
        _ => reason.to_owned(),
    }
}

/// Parses serde's "unknown field `x`, expected one of `a`, `b`".
fn unknown_field(text: &str) -> Option<(&str, String)> {
    let (field, rest) = text.strip_prefix("unknown field `")?.split_once('`')?;
    let known = rest.strip_prefix(", ").map(|known| format!(" ({known})")).unwrap_or_default();
    Some((field, known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_named_with_its_variable_and_its_layer() {
        let error = ConfigError::setting("environment[0].name", Some("bellwire.toml"), "no name");
        let text = "environment[0].name (BELLWIRE_ENVIRONMENT__0__NAME): no name; set by bellwire.toml";
        assert_eq!(error.to_string(), text);
    }
}
