//! What stands in the database under a table's name, and what may be done with it.

use runtime::Failure;

use crate::{
    column::Column,
    columns::{Columns, Existing, Holds},
    input::Mode,
    order::Order,
};

/// What stands under a name.
pub(crate) enum Standing {
    /// Nothing.
    Free,
    /// Something that is no table, such as a view.
    NoTable,
    /// A table, with its columns now, and as they were when an import made it, if one did.
    Table { now: Vec<Existing>, made: Option<Vec<Column>> },
}

/// What is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is made, in the place of the one that an import made.
    Make,
    /// Its rows go; it stays.
    Empty,
    /// Its rows stay.
    Add,
}

/// What may be done; the columns take the table's names and types where it stays.
pub(crate) fn way(standing: &Standing, order: &Order, columns: &mut Columns) -> Result<Way, Failure> {
    let table = order.table.as_str();
    let refused = |why: &str| {
        let message = format!("the table {table} {why}, so it was left alone; choose another name");
        Err(Failure::Permanent { reason: "table", message })
    };
    let (now, made) = match standing {
        Standing::Free => return Ok(Way::Make),
        Standing::NoTable => return refused("is there already and is no table"),
        Standing::Table { now, made } => (now, made),
    };
    match made {
        Some(made) if made.iter().map(|column| &column.name).eq(now.iter().map(|column| &column.name)) => {
            if order.mode == Mode::Replace {
                return Ok(Way::Make);
            }
            let made: Vec<_> = made.iter().map(as_made).collect();
            columns.fit(table, &made).map(|()| Way::Add)
        }
        None if order.definition.is_none() => refused("is there already and no import made it"),
        Some(_) if order.definition.is_none() => refused("was changed since an import made it"),
        _ => {
            columns.fit(table, now)?;
            Ok(if order.mode == Mode::Replace { Way::Empty } else { Way::Add })
        }
    }
}

fn as_made(column: &Column) -> Existing {
    let (name, kind) = (column.name.clone(), column.kind);
    Existing { name, type_name: kind.as_str().to_owned(), holds: Holds::Type(kind) }
}

/// Ends an upsert into a table of somebody else that cannot tell rows apart by the key.
pub(crate) fn no_unique_index(table: &str, key: &[String]) -> Failure {
    let message = format!("the table {table} has no unique index over {}, which upsert needs", key.join(", "));
    Failure::Permanent { reason: "table", message }
}

/// Ends an upsert into a table whose rows the key does not tell apart.
pub(crate) fn key_is_not_unique(table: &str, key: &[String]) -> Failure {
    let message = format!("the table {table} has rows with the same {}, so it cannot be the key", key.join(", "));
    Failure::Permanent { reason: "table", message }
}

/// A name as SQL writes it; the names here hold no quote, and would be safe if they did.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names as SQL writes them, with commas.
pub(crate) fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// What an upsert does with a row whose key is there: all columns but the key take its values.
pub(crate) fn on_conflict(columns: &[Column], key: &[String]) -> String {
    let target = quoted_list(key.iter().map(String::as_str));
    let others = columns.iter().map(|column| column.name.as_str()).filter(|name| !key.iter().any(|key| key == name));
    let set: Vec<_> = others.map(|name| format!("{0} = excluded.{0}", quoted(name))).collect();
    match set.is_empty() {
        true => format!("ON CONFLICT ({target}) DO NOTHING"),
        false => format!("ON CONFLICT ({target}) DO UPDATE SET {}", set.join(", ")),
    }
}

/// What it was read as before is not what it is read as now.
pub(crate) fn unreadable(error: serde_json::Error) -> Failure {
    Failure::passing("the record of imports could not be read", error)
}
