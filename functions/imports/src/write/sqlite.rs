//! Tables in SQLite: the thread that reads the rows inserts them.

use std::time::Instant;

use model::TaskId;
use runtime::{Failure, database::Sqlite, thread};
use rusqlite::{
    Connection, OptionalExtension, Statement, Transaction, TransactionBehavior, params_from_iter,
    types::{ToSqlOutput, ValueRef},
};

use crate::{
    column::{Column, Value},
    input::Mode,
    output::Imported,
    read::row::Row,
    schema::{existing::TableOwner, mapping::ColumnLimit},
    write::{
        job::{LoadAgain, LoadJob, LoadOutcome, LoadedTable},
        load::{ReadOutcome, RowSink},
        own_tables::OWN_TABLES,
        quota::{self, Usage},
        refused::{self, RefusedRow},
        sql::{self, column_list, on_conflict, record_error, rows_are_kept},
        sqlite_schema::{
            attached_statements, check_hides_nothing, ensure_unique_index, existing_table, is_readable, qualified,
            readable_views, sql_type,
        },
        strategy::LoadStrategy,
    },
};

/// SQLite's own limit.
pub(crate) const COLUMN_LIMIT: ColumnLimit = ColumnLimit { max: 2000, database: "SQLite" };

/// The result of an earlier run of a task, if one was completed.
pub(crate) async fn earlier_output(database: &Sqlite, task: TaskId) -> Result<Option<Imported>, Failure> {
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

fn recorded_output(connection: &Connection, task: TaskId) -> Result<Option<Imported>, Failure> {
    let sql = "SELECT result FROM main.bellwire_imports WHERE task = ?1";
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
    while job.at < job.tables.len() {
        if let Some(again) = load_table(&transaction, &mut job)? {
            return Ok(job.again(again));
        }
    }
    for LoadedTable { output, keeps_rows, bytes, .. } in &job.loaded {
        record_bytes(&transaction, &output.table, quota::person(&job.tables[0].spec), *keeps_rows, *bytes)?;
    }
    let imported = job.imported();
    commit(transaction, &job, &imported)?;
    Ok(LoadOutcome::Done(imported))
}

/// Loads the table of now; the reason where it is to be loaded again.
fn load_table(transaction: &Transaction<'_>, job: &mut LoadJob) -> Result<Option<LoadAgain>, Failure> {
    let spec = job.table().spec.clone();
    let table = spec.table.as_str();
    let existing = existing_table(transaction, table)?;
    let at = job.at;
    let strategy = LoadStrategy::choose(&existing, &spec, &mut job.tables[at].plan.mapping)?;
    if strategy == LoadStrategy::Create {
        check_hides_nothing(transaction, table)?;
    }
    let mapping = job.table().plan.mapping.clone();
    COLUMN_LIMIT.check(mapping.table_columns().len())?;
    let keeps_rows = strategy == LoadStrategy::Append;
    // Nobody else writes until the commit, so what is counted here holds then.
    let is_new = quota::is_new_table(&existing, &spec);
    let mut replaced = job.replaced();
    replaced.extend((!keeps_rows).then_some(table));
    let used = quota::person(&spec).map(|person| usage(transaction, person, &replaced)).transpose()?;
    if let Some(used) = used.filter(|_| is_new) {
        job.quota.check_new_tables(used, 1)?;
    }
    let width = quota::width(&existing, strategy, mapping.table_columns().len());
    let written = job.written.with_table(used.map(|used| (job.quota, used)), width);
    job.begin_table(strategy.replaces_rows(), written);
    match strategy {
        LoadStrategy::Create => create_table(transaction, table, &mapping.table_columns())?,
        LoadStrategy::Recreate => recreate_table(transaction, table, &mapping.table_columns())?,
        LoadStrategy::DeleteRows => delete_rows(transaction, table)?,
        LoadStrategy::Reshape => reshape_table(transaction, table, &mapping.table_columns())?,
        LoadStrategy::Append => {}
    }
    if let Some(owner) = existing.new_owner(&spec) {
        record_owner(transaction, table, &owner)?;
    }
    let mut conflict = String::new();
    if spec.mode == Mode::Upsert {
        ensure_unique_index(transaction, table, &mapping.key, !existing.is_foreign(), job.task)?;
        conflict = on_conflict(&mapping.insert_columns(), &mapping.key);
    }
    let columns = mapping.insert_columns();
    let (names, values) = (column_list(&columns), vec!["?"; columns.len()].join(", "));
    // By an alias, for a table may be called "excluded" as well.
    let insert = format!("INSERT INTO {} AS target ({names}) VALUES ({values}) {conflict}", qualified(table));
    let insert = transaction.prepare(&insert)?;
    let mut sink = InsertSink { connection: transaction, insert, refused: Vec::new() };
    let outcome = job.read(&mut sink);
    drop(sink);
    match outcome? {
        ReadOutcome::Complete(summary) => {
            job.end_table(summary, keeps_rows, is_new);
            Ok(None)
        }
        ReadOutcome::TypesChanged(mapping) => Ok(Some(job.types_changed(mapping))),
    }
}

fn create_table(transaction: &Transaction<'_>, table: &str, columns: &[Column]) -> Result<(), Failure> {
    transaction.execute_batch(&sql::create_table(&qualified(table), columns, sql_type))?;
    let record = "INSERT OR REPLACE INTO main.bellwire_imported_tables (table_name, columns) VALUES (?1, ?2)";
    let columns = serde_json::to_string(columns).map_err(record_error)?;
    transaction.execute(record, [table, &columns])?;
    Ok(())
}

/// Creates the table in place of the existing one, which others read until the commit.
fn recreate_table(transaction: &Transaction<'_>, table: &str, columns: &[Column]) -> Result<(), Failure> {
    let views = readable_views(transaction)?;
    transaction.execute_batch(&format!("DROP TABLE {}", qualified(table)))?;
    create_table(transaction, table, columns)?;
    // A view names what it reads; the database does not keep track of it.
    match views.iter().find(|view| !is_readable(transaction, view)) {
        None => Ok(()),
        Some(view) => Err(Failure::Permanent {
            reason: "table",
            message: format!(
                "the table {table} was left alone: the view {view} reads columns of it that the file does not have"
            ),
        }),
    }
}

/// Creates the table in place of the existing one, with the same indexes and triggers.
fn reshape_table(transaction: &Transaction<'_>, table: &str, columns: &[Column]) -> Result<(), Failure> {
    let statements = attached_statements(transaction, table)?;
    recreate_table(transaction, table, columns)?;
    for (attached, statement) in statements {
        if let Err(error) = transaction.execute_batch(&statement) {
            let message = format!(
                "the table {table} was left alone: the file has other columns than it, and {attached} cannot be made \
                 over those: {error}"
            );
            return Err(Failure::Permanent { reason: "table", message });
        }
    }
    Ok(())
}

fn delete_rows(transaction: &Transaction<'_>, table: &str) -> Result<(), Failure> {
    let name = qualified(table);
    transaction.execute(&format!("DELETE FROM {name}"), [])?;
    // A trigger may keep rows.
    let kept = transaction.prepare(&format!("SELECT 1 FROM {name} LIMIT 1"))?.exists([])?;
    if kept { Err(rows_are_kept(table)) } else { Ok(()) }
}

fn record_owner(transaction: &Transaction<'_>, table: &str, owner: &TableOwner) -> Result<(), Failure> {
    let record =
        "INSERT OR REPLACE INTO main.bellwire_imported_owners (table_name, owner, definition) VALUES (?1, ?2, ?3)";
    transaction.execute(record, (table, owner.person(), owner.definition()))?;
    Ok(())
}

/// What a person's imports hold besides what this one replaces; tables that are gone do not count.
fn usage(transaction: &Transaction<'_>, person: &str, replaced: &[&str]) -> Result<Usage, Failure> {
    // Not by a function such as json_each: a table of its name would hide it.
    let names = vec!["?"; replaced.len()].join(", ");
    let sql = format!(
        "
        SELECT
            (SELECT coalesce(sum(b.bytes), 0) FROM main.bellwire_imported_bytes b
             WHERE b.owner = ?1 AND b.table_name NOT IN ({names}) AND EXISTS (
                SELECT 1 FROM main.sqlite_schema s WHERE s.type = 'table' AND s.name = b.table_name COLLATE NOCASE)),
            (SELECT count(*) FROM main.bellwire_imported_owners o
             WHERE o.owner = ?1 AND o.definition IS NULL AND EXISTS (
                SELECT 1 FROM main.sqlite_schema s WHERE s.type = 'table' AND s.name = o.table_name COLLATE NOCASE))"
    );
    let counted = |row: &rusqlite::Row<'_>| Ok(Usage::counted(row.get(0)?, row.get(1)?));
    let parameters = std::iter::once(&person).chain(replaced);
    Ok(transaction.query_row(&sql, params_from_iter(parameters), counted)?)
}

/// Records what was written for a person, or that a definition's table counts for nobody.
fn record_bytes(
    transaction: &Transaction<'_>,
    table: &str,
    person: Option<&str>,
    keeps_rows: bool,
    bytes: u64,
) -> Result<(), Failure> {
    if !keeps_rows || person.is_none() {
        transaction.execute("DELETE FROM main.bellwire_imported_bytes WHERE table_name = ?1", [table])?;
    }
    if let Some(person) = person {
        let record = "
            INSERT INTO main.bellwire_imported_bytes AS known (table_name, owner, bytes) VALUES (?1, ?2, ?3)
            ON CONFLICT (table_name, owner) DO UPDATE SET bytes = known.bytes + excluded.bytes";
        transaction.execute(record, (table, person, i64::try_from(bytes).unwrap_or(i64::MAX)))?;
    }
    Ok(())
}

fn commit(transaction: Transaction<'_>, job: &LoadJob, imported: &Imported) -> Result<(), Failure> {
    let record = "INSERT INTO main.bellwire_imports (task, table_name, result) VALUES (?1, ?2, ?3)";
    let result = serde_json::to_string(imported).map_err(record_error)?;
    transaction.execute(record, [&job.task.to_string(), &imported.tables(), &result])?;
    if job.stop.is_cancelled() {
        return Err(Failure::Stopped);
    }
    Ok(transaction.commit()?)
}

/// Inserts each row.
struct InsertSink<'a> {
    connection: &'a Connection,
    insert: Statement<'a>,
    refused: Vec<RefusedRow>,
}

impl RowSink for InsertSink<'_> {
    fn put(&mut self, column: usize, text: &[u8], value: Value) -> Result<(), Failure> {
        let value = match value {
            Value::Null => ValueRef::Null,
            Value::Boolean(value) => ValueRef::Integer(value.into()),
            Value::Integer(value) => ValueRef::Integer(value),
            Value::Number(value) => ValueRef::Real(value),
            Value::Text => ValueRef::Text(text),
        };
        Ok(self.insert.raw_bind_parameter(column + 1, ToSqlOutput::Borrowed(value))?)
    }

    fn end_row(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        let Err(error) = self.insert.raw_execute() else { return Ok(()) };
        // A trigger may end the transaction, and what came after would be there without what came before.
        let reason = refused::by_sqlite(&error).filter(|_| !self.connection.is_autocommit()).ok_or(error)?;
        self.refused.push(RefusedRow { line: row.line, reason, raw: row.raw.to_vec(), bytes: row.bytes() });
        Ok(())
    }

    fn discard_row(&mut self) {
        // The next row binds every parameter again.
    }

    fn take_refused(&mut self) -> Vec<RefusedRow> {
        std::mem::take(&mut self.refused)
    }
}
