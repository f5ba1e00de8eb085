//! What SQLite has under a table's name. An import works in `main` and names it everywhere: temporary tables come before
//! it, and other files may be attached.

use model::TaskId;
use runtime::Failure;
use rusqlite::{ErrorCode, OptionalExtension, Params, Transaction};

use crate::{
    column::{Column, ColumnType},
    schema::existing::{Accepts, ExistingColumn, ExistingTable, ImportedTable, TableOwner},
    write::sql::{self, INDEX_PREFIX, index_name, key_is_not_unique, key_list, no_unique_index, quoted, record_error},
};

/// What would be lost with the table if it were dropped, of objects that no import made; `?1` is its name, `?2` the
/// beginning of the names of our indexes.
const ATTACHED: &str = "
    SELECT type || ' ' || name FROM main.sqlite_schema
        WHERE tbl_name = ?1 COLLATE NOCASE AND type IN ('index', 'trigger') AND sql IS NOT NULL
            AND substr(name, 1, length(?2)) <> ?2
    LIMIT 3";

/// A name in `main` as SQL writes it.
pub(super) fn qualified(name: &str) -> String {
    format!("main.{}", quoted(name))
}

/// The table that exists under a name.
pub(super) fn existing_table(transaction: &Transaction<'_>, table: &str) -> Result<ExistingTable, Failure> {
    let found = "SELECT type, sql FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE";
    let found =
        transaction.query_row(found, [table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)));
    let statement = match found.optional()? {
        None => return Ok(ExistingTable::Missing),
        Some((kind, Some(statement))) if kind == "table" && !is_virtual(&statement) => statement,
        Some(_) => return Ok(ExistingTable::NotATable),
    };
    let existing = |row: &rusqlite::Row<'_>| {
        let type_name: String = row.get("type")?;
        Ok(ExistingColumn { name: row.get("name")?, accepts: accepts(&type_name), type_name })
    };
    let columns = pragma(transaction, "table_info", table, existing)?;
    let imported = imported(transaction, table)?;
    let mut attached = texts(transaction, ATTACHED, [table, INDEX_PREFIX])?;
    if imported.as_ref().is_some_and(|imported| !is_as_created(&statement, table, &imported.columns)) {
        attached.push("constraints".to_owned());
    }
    let foreign_keys = foreign_keys_to(transaction, table)?;
    attached.extend(foreign_keys.iter().map(|key| format!("a foreign key of table {}", key.of)));
    // Its constraints, and what others refer to, are in its own statement.
    let reshapes = foreign_keys.is_empty() && !attached.iter().any(|words| words == "constraints");
    attached.truncate(3);
    let changes_rows = |key: &&ForeignKey| matches!(key.on_delete.as_str(), "CASCADE" | "SET NULL" | "SET DEFAULT");
    let cascading = foreign_keys.iter().find(changes_rows).map(|key| format!("a foreign key of {}", key.of));
    Ok(ExistingTable::Table { columns, imported, attached, cascading, reshapes })
}

/// What a PRAGMA tells of a table or an index in `main`. The table-valued functions of the same names would do only as long
/// as nobody has tables that are called so.
fn pragma<T>(
    transaction: &Transaction<'_>,
    pragma: &str,
    name: &str,
    row: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Failure> {
    let mut statement = transaction.prepare(&format!("PRAGMA main.{pragma}({})", quoted(name)))?;
    let rows = statement.query_map([], row).and_then(Iterator::collect)?;
    Ok(rows)
}

/// A foreign key of another table.
struct ForeignKey {
    of: String,
    to: String,
    on_delete: String,
}

/// The foreign keys of other tables that refer to this one.
fn foreign_keys_to(transaction: &Transaction<'_>, table: &str) -> Result<Vec<ForeignKey>, Failure> {
    let others = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name <> ?1 COLLATE NOCASE";
    let mut found = Vec::new();
    for other in texts(transaction, others, [table])? {
        let keys = pragma(transaction, "foreign_key_list", &other, |row| {
            Ok(ForeignKey { of: other.clone(), to: row.get("table")?, on_delete: row.get("on_delete")? })
        })?;
        found.extend(keys.into_iter().filter(|key| key.to.eq_ignore_ascii_case(table)));
    }
    Ok(found)
}

/// Refuses the name of a table to be created where it stands for something without it, such as `json_each`: the table would
/// come before that in everybody's statements. SQLite lists only those of its modules that were in use, so it is asked.
pub(super) fn check_hides_nothing(transaction: &Transaction<'_>, table: &str) -> Result<(), Failure> {
    match transaction.prepare(&format!("SELECT 1 FROM {}", quoted(table))) {
        Err(error) if error.to_string().starts_with("no such table") => return Ok(()),
        Err(error) if error.sqlite_error_code() != Some(ErrorCode::Unknown) => return Err(error.into()),
        // It is there, or fails for want of arguments.
        _ => {}
    }
    let message = format!("the table {table} would hide what SQLite itself calls so; choose another name");
    Err(Failure::Permanent { reason: "table", message })
}

fn imported(transaction: &Transaction<'_>, table: &str) -> Result<Option<ImportedTable>, Failure> {
    let sql = "
        SELECT t.columns, o.owner, o.definition FROM main.bellwire_imported_tables t
        LEFT JOIN main.bellwire_imported_owners o ON o.table_name = t.table_name WHERE t.table_name = ?1";
    let found = transaction
        .query_row(sql, [table], |row| Ok((row.get::<_, String>(0)?, TableOwner::recorded(row.get(1)?, row.get(2)?))));
    let Some((columns, owner)) = found.optional()? else { return Ok(None) };
    Ok(Some(ImportedTable { columns: serde_json::from_str(&columns).map_err(record_error)?, owner }))
}

fn texts(transaction: &Transaction<'_>, sql: &str, values: impl Params) -> Result<Vec<String>, Failure> {
    let mut statement = transaction.prepare(sql)?;
    let texts = statement.query_map(values, |row| row.get(0)).and_then(Iterator::collect)?;
    Ok(texts)
}

fn is_virtual(statement: &str) -> bool {
    statement.trim_start().get(..14).is_some_and(|start| start.eq_ignore_ascii_case("CREATE VIRTUAL"))
}

/// True if a table's statement is the one that creates it for an import: SQLite keeps the text, without the schema.
fn is_as_created(statement: &str, table: &str, columns: &[Column]) -> bool {
    statement.eq_ignore_ascii_case(&sql::create_table(&quoted(table), columns, sql_type))
}

/// The names and statements of a table's indexes and triggers, in the order in which they were made.
pub(super) fn attached_statements(
    transaction: &Transaction<'_>,
    table: &str,
) -> Result<Vec<(String, String)>, Failure> {
    let sql = "
        SELECT type || ' ' || name, sql FROM main.sqlite_schema
        WHERE tbl_name = ?1 COLLATE NOCASE AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY rowid";
    let mut statement = transaction.prepare(sql)?;
    let found = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?))).and_then(Iterator::collect)?;
    Ok(found)
}

/// The views that can be read; those that cannot are left as they are.
pub(super) fn readable_views(transaction: &Transaction<'_>) -> Result<Vec<String>, Failure> {
    let mut views = texts(transaction, "SELECT name FROM main.sqlite_schema WHERE type = 'view'", [])?;
    views.retain(|view| is_readable(transaction, view));
    Ok(views)
}

pub(super) fn is_readable(transaction: &Transaction<'_>, view: &str) -> bool {
    transaction.prepare(&format!("SELECT * FROM {}", qualified(view))).is_ok()
}

/// The values that a column keeps unchanged: SQLite goes by words in its type's name.
fn accepts(type_name: &str) -> Accepts {
    let name = type_name.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match () {
        () if name.is_empty() || has(&["BLOB", "ANY"]) => Accepts::Any,
        () if has(&["BOOL"]) => Accepts::Type(ColumnType::Boolean),
        () if has(&["INT"]) => Accepts::Type(ColumnType::Integer),
        () if has(&["CHAR", "CLOB", "TEXT"]) => Accepts::Type(ColumnType::Text),
        () if has(&["DATETIME", "TIMESTAMP"]) => Accepts::Type(ColumnType::Timestamp),
        () if has(&["DATE"]) => Accepts::Type(ColumnType::Date),
        () if has(&["REAL", "FLOA", "DOUB", "NUM", "DEC"]) => Accepts::Type(ColumnType::Number),
        () => Accepts::Unsupported,
    }
}

/// The database's name of a column's type.
pub(super) fn sql_type(column: &Column) -> &'static str {
    match column.column_type {
        ColumnType::Boolean => "BOOLEAN",
        ColumnType::Integer => "INTEGER",
        ColumnType::Number => "REAL",
        // SQLite has no type for dates; as text they sort in order.
        ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz | ColumnType::Text => "TEXT",
    }
}

/// Finds a unique index over the key, or creates one where the table `is_ours`.
pub(super) fn ensure_unique_index(
    transaction: &Transaction<'_>,
    table: &str,
    key: &[String],
    is_ours: bool,
    task: TaskId,
) -> Result<(), Failure> {
    let is_key = |columns: &[Option<String>]| {
        columns.len() == key.len()
            && key.iter().all(|key| columns.iter().any(|column| column.as_deref() == Some(key.as_str())))
    };
    let primary = pragma(transaction, "table_info", table, |row| {
        Ok(row.get::<_, Option<String>>("name")?.filter(|_| row.get("pk").is_ok_and(|at: i64| at > 0)))
    })?;
    if is_key(&primary.into_iter().filter(Option::is_some).collect::<Vec<_>>()) {
        return Ok(());
    }
    let indexes = pragma(transaction, "index_list", table, |row| {
        Ok((row.get::<_, String>("name")?, row.get::<_, bool>("unique")? && !row.get::<_, bool>("partial")?))
    })?;
    for (index, _) in indexes.into_iter().filter(|(_, tells_rows_apart)| *tells_rows_apart) {
        if is_key(&pragma(transaction, "index_info", &index, |row| row.get("name"))?) {
            return Ok(());
        }
    }
    if !is_ours {
        return Err(no_unique_index(table, key));
    }
    // An index's schema is that of its table, whose name stands alone here.
    let name = qualified(&index_name(table, key, task));
    let create = format!("CREATE UNIQUE INDEX {name} ON {} ({})", quoted(table), key_list(key));
    transaction.execute_batch(&create).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => key_is_not_unique(table, key),
        _ => error.into(),
    })
}
