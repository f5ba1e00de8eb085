//! The names that tables of imports may have.

use serde::{Deserialize, Serialize};

use crate::words::preview;

/// A table's name: 1 to 63 of A-Z, a-z, 0-9 and '_', no digit first, and no prefix of the database or of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName(String);

impl TableName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.0
    }
}

impl TryFrom<String> for TableName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || name.len() > 63 || !plain || name.as_bytes()[0].is_ascii_digit() {
            return Err(format!(
                "{:?} is no table name; it has 1 to 63 of A-Z, a-z, 0-9 and '_', and begins with no digit",
                preview(name.as_bytes())
            ));
        }
        let lower = name.to_ascii_lowercase();
        match ["bellwire_", "sqlite_", "pg_", "pragma_"].iter().find(|prefix| lower.starts_with(**prefix)) {
            Some(prefix) => Err(format!("a table name may not begin with {prefix}; those tables are not yours")),
            None => Ok(Self(name)),
        }
    }
}
