//! Tables in SQLite: rows are inserted by the thread that reads them.

use std::time::Instant;

use model::TaskId;
use runtime::{Failure, database, thread};
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Statement, Transaction, TransactionBehavior,
    types::{ToSqlOutput, ValueRef},
};

use crate::{
    column::{Column, ColumnType, Value},
    columns::{Existing, Holds, Width},
    input::Mode,
    load::{self, Load, Loaded, Reading, Sink},
    outcome::Output,
    standing::{Standing, Way, key_is_not_unique, no_unique_index, on_conflict, quoted, quoted_list, unreadable, way},
};

/// SQLite's own limit.
pub(crate) const WIDTH: Width = Width { most: 2000, database: "SQLite" };

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS bellwire_imports (
        task TEXT PRIMARY KEY,
        table_name TEXT NOT NULL,
        result TEXT NOT NULL,
        finished TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
    );
    CREATE TABLE IF NOT EXISTS bellwire_imported_tables (
        table_name TEXT PRIMARY KEY COLLATE NOCASE,
        columns TEXT NOT NULL
    );";

/// A database in a file.
pub(crate) struct Sqlite {
    database: database::Sqlite,
}

impl Sqlite {
    pub(crate) fn new(database: database::Sqlite) -> Self {
        Self { database }
    }

    pub(crate) async fn recorded(&self, task: TaskId) -> Result<Option<Output>, Failure> {
        let database = self.database.clone();
        thread::run(move || recorded(&connect(&database)?, task)).await
    }

    pub(crate) async fn load(&self, load: Load, bringing: impl Future<Output = ()>) -> Result<Loaded, Failure> {
        let came = Instant::now();
        let turn = tokio::select! {
            turn = self.database.writer().lock_owned() => turn,
            () = load.stop.cancelled() => return Err(Failure::Stopped),
        };
        load.stopwatch.waited_since(came);
        let database = self.database.clone();
        let loading = thread::run(move || {
            let loaded = load_whole(connect(&database)?, load);
            drop(turn);
            loaded
        });
        let (loaded, ()) = tokio::join!(loading, bringing);
        loaded
    }
}

fn connect(database: &database::Sqlite) -> Result<Connection, Failure> {
    let connection = database.connect()?;
    connection.execute_batch(TABLES).map_err(failure)?;
    Ok(connection)
}

fn recorded(connection: &Connection, task: TaskId) -> Result<Option<Output>, Failure> {
    let sql = "SELECT result FROM bellwire_imports WHERE task = ?1";
    let result = connection.query_row(sql, [task.to_string()], |row| row.get::<_, String>(0));
    let result = result.optional().map_err(failure)?;
    result.map(|result| serde_json::from_str(&result).map_err(unreadable)).transpose()
}

fn load_whole(mut connection: Connection, mut load: Load) -> Result<Loaded, Failure> {
    let came = Instant::now();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
    load.stopwatch.waited_since(came);
    // Another run of this task may have been faster.
    if let Some(output) = recorded(&transaction, load.task)? {
        return Ok(Loaded::Done(output));
    }
    let order = load.order.clone();
    let table = order.table.as_str();
    let standing = standing(&transaction, table)?;
    let way = way(&standing, &order, &mut load.plan.columns)?;
    WIDTH.check(load.plan.columns.table().len())?;
    match way {
        Way::Make => make_table(&transaction, table, &load.plan.columns.table())?,
        Way::Empty => drop(transaction.execute(&format!("DELETE FROM {}", quoted(table)), []).map_err(failure)?),
        Way::Add => {}
    }
    let mut conflict = String::new();
    if order.mode == Mode::Upsert {
        let ours = !matches!(standing, Standing::Table { made: None, .. });
        ensure_key(&transaction, table, &load.plan.columns.key, ours)?;
        conflict = on_conflict(&load.plan.columns.put(), &load.plan.columns.key);
    }
    let mut rows = Rows { insert: prepare_insert(&transaction, table, &load.plan.columns.put(), &conflict)? };
    let reading = load::read(&mut load, &mut rows);
    drop(rows);
    match reading? {
        Reading::All(summary) => {
            let output = load.output(summary);
            commit(transaction, &load, &output)?;
            Ok(Loaded::Done(output))
        }
        Reading::Misfit(columns) => Ok(Loaded::Misfit(columns)),
    }
}

fn standing(transaction: &Transaction<'_>, table: &str) -> Result<Standing, Failure> {
    let there = "SELECT type FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE";
    let there = transaction.query_row(there, [table], |row| row.get::<_, String>(0)).optional().map_err(failure)?;
    match there.as_deref() {
        None => return Ok(Standing::Free),
        Some("table") => {}
        Some(_) => return Ok(Standing::NoTable),
    }
    let imported = "SELECT columns FROM bellwire_imported_tables WHERE table_name = ?1";
    let made = transaction.query_row(imported, [table], |row| row.get::<_, String>(0)).optional().map_err(failure)?;
    let made = made.map(|made| serde_json::from_str(&made).map_err(unreadable)).transpose()?;
    let mut columns = transaction.prepare("SELECT name, type FROM pragma_table_info(?1)").map_err(failure)?;
    let existing = |row: &rusqlite::Row<'_>| {
        let type_name: String = row.get(1)?;
        Ok(Existing { name: row.get(0)?, holds: holds(&type_name), type_name })
    };
    let now = columns.query_map([table], existing).and_then(Iterator::collect).map_err(failure)?;
    Ok(Standing::Table { now, made })
}

/// What a column takes without changing it: SQLite goes by words in its type's name.
fn holds(type_name: &str) -> Holds {
    let name = type_name.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match () {
        () if name.is_empty() || has(&["BLOB", "ANY"]) => Holds::Anything,
        () if has(&["BOOL"]) => Holds::Type(ColumnType::Boolean),
        () if has(&["INT"]) => Holds::Type(ColumnType::Integer),
        () if has(&["CHAR", "CLOB", "TEXT"]) => Holds::Type(ColumnType::Text),
        () if has(&["DATETIME", "TIMESTAMP"]) => Holds::Type(ColumnType::Timestamp),
        () if has(&["DATE"]) => Holds::Type(ColumnType::Date),
        () if has(&["REAL", "FLOA", "DOUB", "NUM", "DEC"]) => Holds::Type(ColumnType::Number),
        () => Holds::Nothing,
    }
}

/// Rows are told apart by an index: there, or made where the table is `ours`.
fn ensure_key(transaction: &Transaction<'_>, table: &str, key: &[String], ours: bool) -> Result<(), Failure> {
    let indexes = "
        SELECT list.name, info.name FROM pragma_index_list(?1) list, pragma_index_info(list.name) info
        WHERE list.\"unique\" = 1 AND list.partial = 0
        UNION ALL SELECT '', name FROM pragma_table_info(?1) WHERE pk > 0";
    let mut statement = transaction.prepare(indexes).map_err(failure)?;
    let rows = statement.query_map([table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)));
    let rows: Vec<_> = rows.and_then(Iterator::collect).map_err(failure)?;
    let is_key = |index: &str| {
        let columns: Vec<_> = rows.iter().filter(|(name, _)| name == index).map(|(_, column)| column).collect();
        columns.len() == key.len()
            && key.iter().all(|key| columns.iter().any(|column| column.as_deref() == Some(key.as_str())))
    };
    if rows.iter().any(|(index, _)| is_key(index)) {
        return Ok(());
    }
    if !ours {
        return Err(no_unique_index(table, key));
    }
    let name = quoted(&format!("bellwire_key_{table}_{}", key.join("_")));
    let columns = quoted_list(key.iter().map(String::as_str));
    let make = format!("CREATE UNIQUE INDEX {name} ON {} ({columns})", quoted(table));
    transaction.execute_batch(&make).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => key_is_not_unique(table, key),
        _ => failure(error),
    })
}

/// In the place of the one that is there; others read that one until the commit.
fn make_table(transaction: &Transaction<'_>, table: &str, columns: &[Column]) -> Result<(), Failure> {
    let definition = |column: &Column| format!("{} {}", quoted(&column.name), sql_type(column.kind));
    let definitions = columns.iter().map(definition).collect::<Vec<_>>().join(", ");
    let name = quoted(table);
    let make = format!("DROP TABLE IF EXISTS {name}; CREATE TABLE {name} ({definitions})");
    transaction.execute_batch(&make).map_err(failure)?;
    let register = "INSERT OR REPLACE INTO bellwire_imported_tables (table_name, columns) VALUES (?1, ?2)";
    let columns = serde_json::to_string(columns).map_err(unreadable)?;
    transaction.execute(register, [table, &columns]).map(drop).map_err(failure)
}

fn sql_type(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Boolean => "BOOLEAN",
        ColumnType::Integer => "INTEGER",
        ColumnType::Number => "REAL",
        // SQLite has no type for them; as text they keep their order.
        ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz | ColumnType::Text => "TEXT",
    }
}

fn prepare_insert<'a>(
    transaction: &'a Transaction<'_>,
    table: &str,
    columns: &[Column],
    conflict: &str,
) -> Result<Statement<'a>, Failure> {
    let names = quoted_list(columns.iter().map(|column| column.name.as_str()));
    let values = vec!["?"; columns.len()].join(", ");
    let insert = format!("INSERT INTO {} ({names}) VALUES ({values}) {conflict}", quoted(table));
    transaction.prepare(&insert).map_err(failure)
}

fn commit(transaction: Transaction<'_>, load: &Load, output: &Output) -> Result<(), Failure> {
    let record = "INSERT INTO bellwire_imports (task, table_name, result) VALUES (?1, ?2, ?3)";
    let result = serde_json::to_string(output).map_err(unreadable)?;
    transaction.execute(record, [&load.task.to_string(), &output.table, &result]).map_err(failure)?;
    if load.stop.is_cancelled() {
        return Err(Failure::Stopped);
    }
    transaction.commit().map_err(failure)
}

/// Rows on their way into a table.
struct Rows<'a> {
    insert: Statement<'a>,
}

impl Sink for Rows<'_> {
    fn put(&mut self, column: usize, text: &[u8], value: Value) -> Result<(), Failure> {
        let value = match value {
            Value::Null => ValueRef::Null,
            Value::Boolean(value) => ValueRef::Integer(value.into()),
            Value::Integer(value) => ValueRef::Integer(value),
            Value::Number(value) => ValueRef::Real(value),
            Value::Text => ValueRef::Text(text),
        };
        self.insert.raw_bind_parameter(column + 1, ToSqlOutput::Borrowed(value)).map_err(failure)
    }

    fn row(&mut self) -> Result<(), Failure> {
        self.insert.raw_execute().map(drop).map_err(failure)
    }

    fn undo(&mut self) {
        // The next row binds every parameter anew.
    }
}

fn failure(error: rusqlite::Error) -> Failure {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            let message = "the disk of the database is full, so nothing was imported".to_owned();
            Failure::Permanent { reason: "full", message }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Failure::passing("the database is busy with another import", error)
        }
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory,
        ) => Failure::passing("the database cannot be used now", error),
        _ => Failure::Permanent { reason: "database", message: format!("the database refuses it: {error}") },
    }
}
