//! Tables in SQLite: the thread that reads the rows inserts them.

use std::time::Instant;

use model::TaskId;
use runtime::{Failure, database::Sqlite, thread};
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Statement, Transaction, TransactionBehavior,
    types::{ToSqlOutput, ValueRef},
};

use crate::{
    column::{Column, ColumnType, Value},
    input::Mode,
    output::Output,
    schema::{
        existing::{Accepts, ExistingColumn, ExistingTable},
        mapping::ColumnLimit,
    },
    write::{
        load::{LoadJob, LoadOutcome, ReadOutcome, RowSink},
        own_tables::OWN_TABLES,
        sql::{self, column_list, key_is_not_unique, key_list, no_unique_index, on_conflict, quoted, record_error},
        strategy::LoadStrategy,
    },
};

/// SQLite's own limit.
pub(crate) const COLUMN_LIMIT: ColumnLimit = ColumnLimit { max: 2000, database: "SQLite" };

/// The result of an earlier run of a task, if one was completed.
pub(crate) async fn earlier_output(database: &Sqlite, task: TaskId) -> Result<Option<Output>, Failure> {
    let database = database.clone();
    thread::run(move || recorded_output(&connect(&database)?, task)).await
}

/// Loads a table of a database in a file.
pub(crate) async fn load(
    database: &Sqlite,
    mut job: LoadJob,
    transfer: impl Future<Output = ()>,
) -> Result<LoadOutcome, Failure> {
    let waiting_since = Instant::now();
    let write_lock = tokio::select! {
        lock = database.writer().lock_owned() => lock,
        () = job.stop.cancelled() => return Err(Failure::Stopped),
    };
    job.started += waiting_since.elapsed();
    let database = database.clone();
    let loading = thread::run(move || {
        let outcome = load_with(connect(&database)?, job);
        drop(write_lock);
        outcome
    });
    let (outcome, ()) = tokio::join!(loading, transfer);
    outcome
}

fn connect(database: &Sqlite) -> Result<Connection, Failure> {
    let mut connection = database.connect()?;
    OWN_TABLES.create_in_sqlite(&mut connection)?;
    Ok(connection)
}

fn recorded_output(connection: &Connection, task: TaskId) -> Result<Option<Output>, Failure> {
    let sql = "SELECT result FROM bellwire_imports WHERE task = ?1";
    let result = connection.query_row(sql, [task.to_string()], |row| row.get::<_, String>(0));
    result.optional()?.map(|result| serde_json::from_str(&result).map_err(record_error)).transpose()
}

fn load_with(mut connection: Connection, mut job: LoadJob) -> Result<LoadOutcome, Failure> {
    let waiting_since = Instant::now();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    job.started += waiting_since.elapsed();
    // Another run of this task may have ended first.
    if let Some(output) = recorded_output(&transaction, job.task)? {
        return Ok(LoadOutcome::Done(output));
    }
    let spec = job.spec.clone();
    let table = spec.table.as_str();
    let existing = existing_table(&transaction, table)?;
    let strategy = LoadStrategy::choose(&existing, &spec, &mut job.plan.mapping)?;
    let mapping = &job.plan.mapping;
    COLUMN_LIMIT.check(mapping.table_columns().len())?;
    match strategy {
        LoadStrategy::Create => create_table(&transaction, table, &mapping.table_columns())?,
        LoadStrategy::DeleteRows => {
            transaction.execute(&format!("DELETE FROM {}", quoted(table)), [])?;
        }
        LoadStrategy::Append => {}
    }
    let mut conflict = String::new();
    if spec.mode == Mode::Upsert {
        ensure_unique_index(&transaction, table, &mapping.key, !existing.is_foreign())?;
        conflict = on_conflict(&mapping.insert_columns(), &mapping.key);
    }
    let columns = mapping.insert_columns();
    let (names, values) = (column_list(&columns), vec!["?"; columns.len()].join(", "));
    let insert = format!("INSERT INTO {} ({names}) VALUES ({values}) {conflict}", quoted(table));
    let mut insert = transaction.prepare(&insert)?;
    let outcome = job.read(&mut insert);
    drop(insert);
    match outcome? {
        ReadOutcome::Complete(summary) => {
            let output = job.output(summary);
            commit(transaction, &job, &output)?;
            Ok(LoadOutcome::Done(output))
        }
        ReadOutcome::TypesChanged(mapping) => Ok(LoadOutcome::TypesChanged { mapping, started: job.started }),
    }
}

fn existing_table(transaction: &Transaction<'_>, table: &str) -> Result<ExistingTable, Failure> {
    let text = |sql| transaction.query_row(sql, [table], |row| row.get::<_, String>(0)).optional();
    match text("SELECT type FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE")?.as_deref() {
        None => return Ok(ExistingTable::Missing),
        Some("table") => {}
        Some(_) => return Ok(ExistingTable::NotATable),
    }
    let imported = text("SELECT columns FROM bellwire_imported_tables WHERE table_name = ?1")?;
    let imported = imported.map(|columns| serde_json::from_str(&columns).map_err(record_error)).transpose()?;
    let mut columns = transaction.prepare("SELECT name, type FROM pragma_table_info(?1)")?;
    let existing = |row: &rusqlite::Row<'_>| {
        let type_name: String = row.get(1)?;
        Ok(ExistingColumn { name: row.get(0)?, accepts: accepts(&type_name), type_name })
    };
    let columns = columns.query_map([table], existing).and_then(Iterator::collect)?;
    Ok(ExistingTable::Table { columns, imported })
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

/// Finds a unique index over the key, or creates one where the table `is_ours`.
fn ensure_unique_index(
    transaction: &Transaction<'_>,
    table: &str,
    key: &[String],
    is_ours: bool,
) -> Result<(), Failure> {
    let indexes = "
        SELECT list.name, info.name FROM pragma_index_list(?1) list, pragma_index_info(list.name) info
        WHERE list.\"unique\" = 1 AND list.partial = 0
        UNION ALL SELECT '', name FROM pragma_table_info(?1) WHERE pk > 0";
    let mut statement = transaction.prepare(indexes)?;
    let rows = statement.query_map([table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)));
    let rows: Vec<_> = rows.and_then(Iterator::collect)?;
    let is_key = |index: &str| {
        let columns: Vec<_> = rows.iter().filter(|(name, _)| name == index).map(|(_, column)| column).collect();
        columns.len() == key.len()
            && key.iter().all(|key| columns.iter().any(|column| column.as_deref() == Some(key.as_str())))
    };
    if rows.iter().any(|(index, _)| is_key(index)) {
        return Ok(());
    }
    if !is_ours {
        return Err(no_unique_index(table, key));
    }
    let name = quoted(&format!("bellwire_key_{table}_{}", key.join("_")));
    let create = format!("CREATE UNIQUE INDEX {name} ON {} ({})", quoted(table), key_list(key));
    transaction.execute_batch(&create).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => key_is_not_unique(table, key),
        _ => error.into(),
    })
}

/// Creates the table in place of the existing one, which others read until the commit.
fn create_table(transaction: &Transaction<'_>, table: &str, columns: &[Column]) -> Result<(), Failure> {
    let create = sql::create_table(table, columns, sql_type);
    transaction.execute_batch(&format!("DROP TABLE IF EXISTS {}; {create}", quoted(table)))?;
    let record = "INSERT OR REPLACE INTO bellwire_imported_tables (table_name, columns) VALUES (?1, ?2)";
    let columns = serde_json::to_string(columns).map_err(record_error)?;
    transaction.execute(record, [table, &columns])?;
    Ok(())
}

fn sql_type(column: &Column) -> &'static str {
    match column.column_type {
        ColumnType::Boolean => "BOOLEAN",
        ColumnType::Integer => "INTEGER",
        ColumnType::Number => "REAL",
        // SQLite has no type for dates; as text they sort in order.
        ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz | ColumnType::Text => "TEXT",
    }
}

fn commit(transaction: Transaction<'_>, job: &LoadJob, output: &Output) -> Result<(), Failure> {
    let record = "INSERT INTO bellwire_imports (task, table_name, result) VALUES (?1, ?2, ?3)";
    let result = serde_json::to_string(output).map_err(record_error)?;
    transaction.execute(record, [&job.task.to_string(), &output.table, &result])?;
    if job.stop.is_cancelled() {
        return Err(Failure::Stopped);
    }
    Ok(transaction.commit()?)
}

/// Inserts each row.
impl RowSink for Statement<'_> {
    fn put(&mut self, column: usize, text: &[u8], value: Value) -> Result<(), Failure> {
        let value = match value {
            Value::Null => ValueRef::Null,
            Value::Boolean(value) => ValueRef::Integer(value.into()),
            Value::Integer(value) => ValueRef::Integer(value),
            Value::Number(value) => ValueRef::Real(value),
            Value::Text => ValueRef::Text(text),
        };
        Ok(self.raw_bind_parameter(column + 1, ToSqlOutput::Borrowed(value))?)
    }

    fn end_row(&mut self) -> Result<(), Failure> {
        self.raw_execute()?;
        Ok(())
    }

    fn discard_row(&mut self) {
        // The next row binds every parameter again.
    }
}
