//! Statements and failures that both databases share.

use runtime::Failure;

use crate::column::Column;

/// A name as SQL writes it, or a field as CSV does; the names here hold no quote, and would be safe if they did.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The names of columns as SQL writes them, with commas.
pub(crate) fn column_list(columns: &[Column]) -> String {
    columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
}

/// The names of a key's columns as SQL writes them, with commas.
pub(crate) fn key_list(key: &[String]) -> String {
    key.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// Creates a table, with the database's own names of types.
pub(crate) fn create_table(table: &str, columns: &[Column], sql_type: fn(&Column) -> &'static str) -> String {
    let definitions: Vec<_> =
        columns.iter().map(|column| format!("{} {}", quoted(&column.name), sql_type(column))).collect();
    format!("CREATE TABLE {} ({})", quoted(table), definitions.join(", "))
}

/// The end of an upsert's statement: a row whose key exists takes the new values in all other columns.
pub(crate) fn on_conflict(columns: &[Column], key: &[String]) -> String {
    let target = key_list(key);
    let others = columns.iter().map(|column| &column.name).filter(|name| !key.contains(name));
    let set: Vec<_> = others.map(|name| format!("{0} = excluded.{0}", quoted(name))).collect();
    match set.is_empty() {
        true => format!("ON CONFLICT ({target}) DO NOTHING"),
        false => format!("ON CONFLICT ({target}) DO UPDATE SET {}", set.join(", ")),
    }
}

/// Ends an upsert into somebody else's table that has no unique index over the key.
pub(crate) fn no_unique_index(table: &str, key: &[String]) -> Failure {
    let message = format!("the table {table} has no unique index over {}, which upsert needs", key.join(", "));
    Failure::Permanent { reason: "table", message }
}

/// Ends an upsert into a table that has several rows of one key.
pub(crate) fn key_is_not_unique(table: &str, key: &[String]) -> Failure {
    let message = format!("the table {table} has rows with the same {}, so it cannot be the key", key.join(", "));
    Failure::Permanent { reason: "table", message }
}

/// Our own record of imports, as JSON, does not fit its type.
pub(crate) fn record_error(error: serde_json::Error) -> Failure {
    Failure::passing("the record of imports could not be read", error)
}
