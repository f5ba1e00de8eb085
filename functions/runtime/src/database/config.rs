//! The address of a database.

use std::fmt;

use serde::Deserialize;

/// `[database]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `BELLWIRE_DATABASE__URL`: `sqlite://path/to/file.db` (`sqlite:///…` from the root) or `postgres://…`. No default.
    pub url: String,
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("DatabaseConfig").finish_non_exhaustive()
    }
}

/// An address of no known database; the message never holds the address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {reason}")]
pub struct OpenError {
    /// The setting with its variable, such as `database.url (BELLWIRE_DATABASE__URL)`.
    pub setting: &'static str,
    /// The error message.
    pub reason: &'static str,
}
