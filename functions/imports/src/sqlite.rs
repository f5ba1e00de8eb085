//! Tables in SQLite: rows are inserted by the thread that reads them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use backplane::TaskId;
use runtime::Failure;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Statement, Transaction, TransactionBehavior,
    types::{ToSqlOutput, ValueRef},
};
use tokio::sync::Mutex;

use crate::{
    column::{Column, ColumnType, Value},
    database::{OpenError, Standing, adds_to, check_width, quoted, quoted_list, unreadable},
    load::{self, Load, Loaded, Reading, Sink},
    outcome::Output,
    thread,
};

/// SQLite's own limit.
const MOST_COLUMNS: usize = 2000;

/// How long another process may write before we come again later.
const PATIENCE: Duration = Duration::from_secs(10);

const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA cache_size = -16384;";

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
    path: PathBuf,
    /// SQLite has one writer at a time: those of this process wait here, where waiting costs nothing.
    turn: Arc<Mutex<()>>,
    /// SQLite does not wait when two make a new file's journal at once.
    opening: Arc<std::sync::Mutex<()>>,
}

impl Sqlite {
    pub(crate) fn open(path: &str) -> Result<Self, OpenError> {
        if path.is_empty() || path.ends_with('/') || path.contains('?') {
            return Err(OpenError("write sqlite://PATH or sqlite:///PATH, the path of a file".to_owned()));
        }
        Ok(Self { path: path.into(), turn: Arc::default(), opening: Arc::default() })
    }

    pub(crate) async fn recorded(&self, task: TaskId) -> Result<Option<Output>, Failure> {
        let connect = self.connecting();
        thread::run(move || recorded(&connect()?, task)).await
    }

    pub(crate) async fn load(&self, load: Load, bringing: impl Future<Output = ()>) -> Result<Loaded, Failure> {
        let turn = tokio::select! {
            turn = self.turn.clone().lock_owned() => turn,
            () = load.stop.cancelled() => return Err(Failure::Stopped),
        };
        let connect = self.connecting();
        let loading = thread::run(move || {
            let loaded = load_whole(connect()?, load);
            drop(turn);
            loaded
        });
        let (loaded, ()) = tokio::join!(loading, bringing);
        loaded
    }

    fn connecting(&self) -> impl FnOnce() -> Result<Connection, Failure> + Send + use<> {
        let (path, opening) = (self.path.clone(), self.opening.clone());
        move || {
            // What it guards is in the file: a panic elsewhere has not harmed it.
            let _alone = opening.lock().unwrap_or_else(PoisonError::into_inner);
            connect(&path)
        }
    }
}

fn connect(path: &Path) -> Result<Connection, Failure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| Failure::passing("the database's folder cannot be made", error))?;
    }
    let connection = Connection::open(path).map_err(failure)?;
    connection.busy_timeout(PATIENCE).map_err(failure)?;
    connection.execute_batch(SETTINGS).map_err(failure)?;
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
    check_width(&load.plan, MOST_COLUMNS, "SQLite")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
    // Another run of this task may have been faster.
    if let Some(output) = recorded(&transaction, load.task)? {
        return Ok(Loaded::Done(output));
    }
    let table = load.input.table.as_str();
    let standing = standing(&transaction, table)?;
    if !adds_to(standing, table, load.input.mode, &mut load.plan)? {
        make_table(&transaction, table, &load.plan.columns())?;
    }
    let mut rows = Rows { insert: prepare_insert(&transaction, table, &load.plan.columns())? };
    let reading = load::read(&mut load, &mut rows);
    drop(rows);
    match reading? {
        Reading::All(summary) => {
            let output = Output::of(&load, summary);
            commit(transaction, &load, &output)?;
            Ok(Loaded::Done(output))
        }
        Reading::Misfit(columns) => Ok(Loaded::Misfit(columns)),
    }
}

fn standing(transaction: &Transaction<'_>, table: &str) -> Result<Standing, Failure> {
    let there = "SELECT 1 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE";
    if transaction.query_row(there, [table], |_| Ok(())).optional().map_err(failure)?.is_none() {
        return Ok(Standing::Free);
    }
    let imported = "SELECT columns FROM bellwire_imported_tables WHERE table_name = ?1";
    let made = transaction.query_row(imported, [table], |row| row.get::<_, String>(0)).optional().map_err(failure)?;
    let Some(made) = made else {
        return Ok(Standing::Foreign);
    };
    let made = serde_json::from_str(&made).map_err(unreadable)?;
    let mut columns = transaction.prepare("SELECT name FROM pragma_table_info(?1)").map_err(failure)?;
    let now = columns.query_map([table], |row| row.get(0)).and_then(Iterator::collect).map_err(failure)?;
    Ok(Standing::Imported { made, now })
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
) -> Result<Statement<'a>, Failure> {
    let names = quoted_list(columns);
    let values = vec!["?"; columns.len()].join(", ");
    transaction.prepare(&format!("INSERT INTO {} ({names}) VALUES ({values})", quoted(table))).map_err(failure)
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
