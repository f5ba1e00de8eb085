//! Statements and failures that both databases share.

use model::TaskId;
use ring::digest::{Context, SHA256};
use runtime::Failure;

use crate::column::Column;

/// The beginning of the names of our indexes, which no table may have.
pub(crate) const INDEX_PREFIX: &str = "bellwire_key_";

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

/// The name of the index over a key. It holds a hash, because the names of table and columns would come to more than
/// PostgreSQL keeps and several could come to the same; and the task's, because the index of a table that was renamed
/// keeps its name.
pub(crate) fn index_name(table: &str, key: &[String], task: TaskId) -> String {
    let mut hash = Context::new(&SHA256);
    let task = task.to_string();
    for part in [table, &task].into_iter().chain(key.iter().map(String::as_str)) {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digits = hash.finish().as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{INDEX_PREFIX}{digits}")
}

/// Creates a table, whose name is given as SQL writes it, with the database's own names of types.
pub(crate) fn create_table(name: &str, columns: &[Column], sql_type: fn(&Column) -> &'static str) -> String {
    let definitions: Vec<_> =
        columns.iter().map(|column| format!("{} {}", quoted(&column.name), sql_type(column))).collect();
    format!("CREATE TABLE {name} ({})", definitions.join(", "))
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

/// Ends a replacement of rows that do not let themselves be deleted.
pub(crate) fn rows_are_kept(table: &str) -> Failure {
    let message = format!("rows of the table {table} cannot be deleted, since a trigger or a rule of it keeps them");
    Failure::Permanent { reason: "table", message }
}

/// Our own record of imports, as JSON, does not fit its type.
pub(crate) fn record_error(error: serde_json::Error) -> Failure {
    Failure::passing("the record of imports could not be read", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_keys_have_an_index_of_one_name() {
        let task = TaskId::new();
        let name =
            |table: &str, key: &[&str]| index_name(table, &key.iter().map(|&k| k.to_owned()).collect::<Vec<_>>(), task);
        let long = "x".repeat(63);
        let names = [
            name("a_b", &["c"]),
            name("a", &["b_c"]),
            name("a", &["b", "c"]),
            name(&long, &[&long]),
            name(&long, &[&long, &long]),
            index_name("a", &["b".to_owned(), "c".to_owned()], TaskId::new()),
        ];
        assert!(names.iter().all(|name| name.len() <= 63 && name.starts_with(INDEX_PREFIX)));
        assert_eq!(names.iter().collect::<std::collections::HashSet<_>>().len(), names.len());
    }
}
