//! The settings of imports.

use std::{path::PathBuf, time::Duration};

use process::{AdminListen, quantity};
use runtime::HostConfig;
use serde::Deserialize;

use crate::table_name::TableName;

/// `[imports]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportsConfig {
    /// `BELLWIRE_IMPORTS__ADMIN_LISTEN`: the port of `/livez`, `/readyz`, `/metrics` on `admin.host`, or an address. `9091`.
    pub admin_listen: AdminListen,
    /// `[imports.host]`: concurrency, attempts and shutdown.
    pub host: HostConfig,
    /// `BELLWIRE_IMPORTS__DEADLINE`: the longest time of one import; below the broker's 30 minutes. `20m`.
    #[serde(deserialize_with = "quantity::duration")]
    pub deadline: Duration,
    /// `BELLWIRE_IMPORTS__REJECTED_LIMIT`: rows that may be rejected before an import waits for a person to confirm it.
    /// `10000`.
    pub rejected_limit: u64,
    /// `BELLWIRE_IMPORTS__REJECTED_SHARE`: the share of all rows that may be, too; ten rows may, unless they are more than
    /// half. `0.1`.
    pub rejected_share: f64,
    /// `BELLWIRE_IMPORTS__REJECTED_LIMIT_REPLACING`: the same number where rows that are there are replaced. `1000`.
    pub rejected_limit_replacing: u64,
    /// `BELLWIRE_IMPORTS__REJECTED_SHARE_REPLACING`: the same share, without exception. `0.05`.
    pub rejected_share_replacing: f64,
    /// `BELLWIRE_IMPORTS__REJECTED_BYTES`: bytes that the file of rejected rows may have before an import is given up.
    /// `64MiB`.
    #[serde(deserialize_with = "quantity::bytes")]
    pub rejected_bytes: u64,
    /// `BELLWIRE_IMPORTS__UNPACKED_LIMIT`: bytes that a packed file or a workbook may unpack to; beyond 64 MiB, 200
    /// times its size is too much as well. `8GiB`.
    #[serde(deserialize_with = "quantity::bytes")]
    pub unpacked_limit: u64,
    /// `BELLWIRE_IMPORTS__VALUE_LIMIT`: bytes that the values of a file may come to; beyond 64 MiB, 200 times its size is
    /// too much as well. `8GiB`.
    #[serde(deserialize_with = "quantity::bytes")]
    pub value_limit: u64,
    /// `BELLWIRE_IMPORTS__QUOTA_PER_USER`: bytes that the values of one person's tables may come to, 32 more for each row;
    /// tables that definitions fill do not count. `20GiB`.
    #[serde(deserialize_with = "quantity::bytes")]
    pub quota_per_user: u64,
    /// `BELLWIRE_IMPORTS__TABLES_PER_USER`: tables that one person's imports without a definition may have made. `100`.
    pub tables_per_user: u64,
    /// `BELLWIRE_IMPORTS__DEFINITIONS`: the folder with the definitions, `NAME.toml`; empty for none. ``.
    pub definitions: PathBuf,
    /// `BELLWIRE_IMPORTS__TABLES__0`, …: the tables into which imports without a definition may go; a `*` at the end
    /// stands for anything. `["*"]`.
    pub tables: Vec<TablePattern>,
    /// `BELLWIRE_IMPORTS__SHARED_TABLES__0`, …: of these, the tables that any person's import may replace or add to; into
    /// the others only their maker's may. `[]`.
    pub shared_tables: Vec<TablePattern>,
}

impl Default for ImportsConfig {
    fn default() -> Self {
        Self {
            admin_listen: AdminListen::port(9091),
            host: HostConfig::default(),
            deadline: Duration::from_secs(20 * 60),
            rejected_limit: 10_000,
            rejected_share: 0.1,
            rejected_limit_replacing: 1000,
            rejected_share_replacing: 0.05,
            rejected_bytes: 64 << 20,
            unpacked_limit: 8 << 30,
            value_limit: 8 << 30,
            quota_per_user: 20 << 30,
            tables_per_user: 100,
            definitions: PathBuf::new(),
            tables: vec![TablePattern("*".to_owned())],
            shared_tables: Vec::new(),
        }
    }
}

/// A table's name, or its beginning followed by `*`; case does not count, as in SQLite.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TablePattern(String);

impl TryFrom<String> for TablePattern {
    type Error = String;

    fn try_from(pattern: String) -> Result<Self, String> {
        let name = pattern.strip_suffix('*').unwrap_or(&pattern);
        if !(name.is_empty() && pattern == "*") {
            TableName::try_from(name.to_owned())?;
        }
        Ok(Self(pattern.to_ascii_lowercase()))
    }
}

impl TablePattern {
    /// True if a table has such a name.
    pub(crate) fn matches(&self, table: &TableName) -> bool {
        let name = table.as_str().to_ascii_lowercase();
        match self.0.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == self.0,
        }
    }

    /// The pattern as it is written in the settings.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_its_beginning() {
        let matches = |pattern: &str, table: &str| {
            let table = TableName::try_from(table.to_owned()).unwrap();
            TablePattern::try_from(pattern.to_owned()).unwrap().matches(&table)
        };
        assert!(matches("*", "anything") && matches("upload_*", "Upload_1") && matches("Zips", "zips"));
        assert!(!matches("upload_*", "uploads") && !matches("zips", "zips_2"));
        for bad in ["", "a*b", "*a", "a b", "pg_*"] {
            assert!(TablePattern::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
