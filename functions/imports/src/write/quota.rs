//! What one person's imports may take of the database, and what they took of it.

use runtime::Failure;

use crate::{
    definition::spec::ImportSpec, read::row::Row, schema::existing::ExistingTable, write::strategy::LoadStrategy,
};

/// Bytes that a row takes besides its values, in either database.
const ROW_BYTES: u64 = 32;

/// The limits of the tables that one person's imports made without a definition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    /// Bytes of the rows in all of them.
    pub(crate) bytes: u64,
    /// Their number.
    pub(crate) tables: u64,
}

/// What a person's imports hold, without what the current one replaces.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Bytes of rows.
    pub(crate) bytes: u64,
    /// Tables; those that the current one made count once they have their names.
    pub(crate) tables: u64,
}

impl Usage {
    /// The usage as a database counts it.
    pub(crate) fn counted(bytes: i64, tables: i64) -> Self {
        let count = |value: i64| u64::try_from(value).unwrap_or_default();
        Self { bytes: count(bytes), tables: count(tables) }
    }
}

/// The count of the bytes that one load writes, against what its owner has left.
#[derive(Debug, Clone, Default)]
pub(crate) struct WrittenBytes {
    /// The quota and what is used of it; `None` where nobody's is.
    bound: Option<(Quota, Usage)>,
    /// The number of the table's columns: one without a value counts 1.
    columns: u64,
    /// Bytes of the rows of all tables, and of those before this one.
    bytes: u64,
    before: u64,
}

impl WrittenBytes {
    /// Goes on with a table of so many columns.
    pub(crate) fn with_table(&self, bound: Option<(Quota, Usage)>, columns: usize) -> Self {
        Self { bound, columns: columns as u64, bytes: self.bytes, before: self.bytes }
    }

    /// Adds a row, or ends the load by the quota.
    pub(crate) fn add(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        self.bytes += row.bytes() + self.columns.saturating_sub(row.len() as u64) + ROW_BYTES;
        match self.bound {
            Some((quota, used)) => quota.check_bytes(used, self.bytes),
            None => Ok(()),
        }
    }

    /// Takes back a row of so many bytes that was not written after all.
    pub(crate) fn remove(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes + ROW_BYTES);
    }

    /// Bytes of all rows.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the rows of the table of now.
    pub(crate) fn of_table(&self) -> u64 {
        self.bytes - self.before
    }
}

impl Quota {
    /// Refuses bytes beyond the quota.
    pub(crate) fn check_bytes(self, used: Usage, written: u64) -> Result<(), Failure> {
        if used.bytes.saturating_add(written) <= self.bytes {
            return Ok(());
        }
        Err(exceeded(format!(
            "your tables would come to more than {}, the most that one person's may (imports.quota_per_user); {} are \
             used besides what this import would write; replace a table by a smaller file to free room",
            size(self.bytes),
            size(used.bytes)
        )))
    }

    /// Refuses so many tables more, where the quota has not as many left.
    pub(crate) fn check_new_tables(self, used: Usage, new: u64) -> Result<(), Failure> {
        if new == 0 || used.tables + new <= self.tables {
            return Ok(());
        }
        Err(exceeded(format!(
            "you have {} tables, and one person may have {} (imports.tables_per_user); import into one of them, which \
             mode replace makes as the file is",
            used.tables, self.tables
        )))
    }
}

/// The person whose quota counts for an import.
pub(crate) fn person(spec: &ImportSpec) -> Option<&str> {
    spec.definition.is_none().then_some(spec.owner.as_str())
}

/// True if an import makes a table of its owner's.
pub(crate) fn is_new_table(existing: &ExistingTable, spec: &ImportSpec) -> bool {
    existing.new_owner(spec).is_some_and(|owner| owner.person().is_some())
}

/// The number of columns of the table that is written to.
pub(crate) fn width(existing: &ExistingTable, strategy: LoadStrategy, created: usize) -> usize {
    match (strategy, existing) {
        (LoadStrategy::DeleteRows | LoadStrategy::Append, ExistingTable::Table { columns, .. }) => columns.len(),
        _ => created,
    }
}

fn exceeded(message: String) -> Failure {
    Failure::Permanent { reason: "quota", message }
}

fn size(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}
