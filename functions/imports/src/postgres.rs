//! Tables in PostgreSQL: rows are written in COPY's text format by the thread that reads them, and sent beside it.

use std::time::Instant;

use model::TaskId;
use runtime::{Failure, database, thread};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgTransaction, Row};
use tokio::sync::mpsc;

use crate::{
    column::{Column, ColumnType},
    columns::{Columns, Existing, Holds, Width},
    copy::Copy,
    input::Mode,
    load::{self, Load, Loaded, Reading},
    outcome::Output,
    standing::{Standing, Way, key_is_not_unique, no_unique_index, on_conflict, quoted, quoted_list, unreadable, way},
};

/// PostgreSQL's own limit.
pub(crate) const WIDTH: Width = Width { most: 1600, database: "PostgreSQL" };

/// Pieces of rows that wait between the thread that reads and the connection.
const WAITING: usize = 4;

/// Rows on their way to where they may be already; numbered, for the last of those with one key stands.
const WAITING_ROWS: &str = "pg_temp.bellwire_upsert";
const ROW_NUMBER: &str = "\"bellwire row\"";

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS bellwire_imports (
        task text PRIMARY KEY,
        table_name text NOT NULL,
        result json NOT NULL,
        finished timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE IF NOT EXISTS bellwire_imported_tables (
        table_name text PRIMARY KEY,
        columns json NOT NULL
    );";

/// A database on a server, in the current schema.
pub(crate) struct Postgres {
    database: database::Postgres,
}

impl Postgres {
    pub(crate) fn new(database: database::Postgres) -> Self {
        Self { database }
    }

    pub(crate) async fn recorded(&self, task: TaskId) -> Result<Option<Output>, Failure> {
        let mut connection = self.database.pool().acquire().await.map_err(failure)?;
        make_own_tables(&mut connection).await.map_err(failure)?;
        recorded(&mut connection, task).await
    }

    pub(crate) async fn load(&self, load: Load, bringing: impl Future<Output = ()>) -> Result<Loaded, Failure> {
        let stop = load.stop.clone();
        let mut connection = self.database.pool().acquire().await.map_err(failure)?;
        // One that is left in the middle of a COPY is of no use to others.
        connection.close_on_drop();
        let mut transaction = connection.begin().await.map_err(failure)?;
        // Never while it commits: an effect that came about must not be called stopped.
        let filled = tokio::select! {
            filled = fill(&mut transaction, load, bringing) => filled?,
            () = stop.cancelled() => return Err(Failure::Stopped),
        };
        if let Filled::Ready(_) = &filled {
            transaction.commit().await.map_err(failure)?;
        } else {
            transaction.rollback().await.map_err(failure)?;
        }
        Ok(match filled {
            Filled::Ready(output) | Filled::Earlier(output) => Loaded::Done(output),
            Filled::Misfit(columns) => Loaded::Misfit(columns),
        })
    }
}

/// A transaction that has come to its end.
enum Filled {
    /// All is there, and shall be committed.
    Ready(Output),
    /// An earlier run of the task did it.
    Earlier(Output),
    /// The types do not hold.
    Misfit(Columns),
}

async fn fill(
    transaction: &mut PgTransaction<'_>,
    mut load: Load,
    bringing: impl Future<Output = ()>,
) -> Result<Filled, Failure> {
    let order = load.order.clone();
    let table = order.table.as_str();
    let came = Instant::now();
    lock(transaction, table).await.map_err(failure)?;
    load.stopwatch.waited_since(came);
    // Another run of this task may have been faster.
    if let Some(output) = recorded(transaction, load.task).await? {
        return Ok(Filled::Earlier(output));
    }
    let standing = standing(transaction, table).await?;
    let way = way(&standing, &order, &mut load.plan.columns)?;
    WIDTH.check(load.plan.columns.table().len())?;
    let loaded = format!("bellwire_load_{}", load.task).to_lowercase();
    let upserts = order.mode == Mode::Upsert;
    let target = match way {
        Way::Make => {
            // A table of the load's own at first, so that others read the old one until the commit.
            let name = if upserts { table } else { &loaded };
            make_table(transaction, name, &load.plan.columns.table()).await.map_err(failure)?;
            quoted(name)
        }
        Way::Empty => {
            run(transaction, format!("DELETE FROM {}", quoted(table))).await?;
            quoted(table)
        }
        Way::Add => quoted(table),
    };
    if upserts {
        let ours = !matches!(standing, Standing::Table { made: None, .. });
        ensure_key(transaction, table, &load.plan.columns.key, ours).await?;
        make_waiting_rows(transaction, &target, &load.plan.columns).await?;
    }
    let into = if upserts { WAITING_ROWS } else { &target };
    let (load, reading) = copy(transaction, into, load, bringing).await?;
    let summary = match reading {
        Reading::All(summary) => summary,
        Reading::Misfit(columns) => return Ok(Filled::Misfit(columns)),
    };
    if upserts {
        merge_waiting_rows(transaction, &target, &load.plan.columns).await?;
    }
    if way == Way::Make {
        if !upserts {
            put_in_place(transaction, &target, table).await?;
        }
        register(transaction, table, &load.plan.columns.table()).await?;
    }
    let output = load.output(summary);
    record(transaction, load.task, &output).await?;
    if load.stop.is_cancelled() { Err(Failure::Stopped) } else { Ok(Filled::Ready(output)) }
}

async fn run(connection: &mut PgConnection, sql: String) -> Result<(), Failure> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop).map_err(failure)
}

/// Both tables of our own, made by one at a time: "if not exists" alone fails when two make them at once.
async fn make_own_tables(connection: &mut PgConnection) -> sqlx::Result<()> {
    let there =
        "SELECT to_regclass('bellwire_imports') IS NOT NULL AND to_regclass('bellwire_imported_tables') IS NOT NULL";
    if sqlx::query_scalar(there).fetch_one(&mut *connection).await? {
        return Ok(());
    }
    let mut transaction = connection.begin().await?;
    lock(&mut transaction, "").await?;
    sqlx::raw_sql(TABLES).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// Imports into one table, and attempts at one task, come one after the other.
async fn lock(transaction: &mut PgTransaction<'_>, table: &str) -> sqlx::Result<()> {
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('bellwire.' || current_schema() || '.' || $1, 0))";
    sqlx::query(lock).bind(table).execute(&mut **transaction).await.map(drop)
}

async fn recorded(connection: &mut PgConnection, task: TaskId) -> Result<Option<Output>, Failure> {
    let sql = "SELECT result::text FROM bellwire_imports WHERE task = $1";
    let result = sqlx::query_scalar::<_, String>(sql).bind(task.to_string()).fetch_optional(connection).await;
    result.map_err(failure)?.map(|result| serde_json::from_str(&result).map_err(unreadable)).transpose()
}

async fn record(connection: &mut PgConnection, task: TaskId, output: &Output) -> Result<(), Failure> {
    let sql = "INSERT INTO bellwire_imports (task, table_name, result) VALUES ($1, $2, $3::json)";
    let result = serde_json::to_string(output).map_err(unreadable)?;
    let query = sqlx::query(sql).bind(task.to_string()).bind(&output.table).bind(result);
    query.execute(connection).await.map(drop).map_err(failure)
}

async fn standing(connection: &mut PgConnection, table: &str) -> Result<Standing, Failure> {
    let there = "
        SELECT c.oid::int8, c.relkind IN ('r', 'p') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relname = $1";
    let there = sqlx::query_as::<_, (i64, bool)>(there).bind(table).fetch_optional(&mut *connection).await;
    let oid = match there.map_err(failure)? {
        None => return Ok(Standing::Free),
        Some((_, false)) => return Ok(Standing::NoTable),
        Some((oid, true)) => oid,
    };
    let made = "SELECT columns::text FROM bellwire_imported_tables WHERE table_name = $1";
    let made = sqlx::query_scalar::<_, String>(made).bind(table).fetch_optional(&mut *connection).await;
    let made = made.map_err(failure)?.map(|made| serde_json::from_str(&made).map_err(unreadable)).transpose()?;
    let now = "
        SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), t.typname::text
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
    let now = sqlx::query_as::<_, (String, String, String)>(now).bind(oid).fetch_all(connection).await;
    let existing =
        |(name, type_name, kind): (String, String, String)| Existing { name, type_name, holds: holds(&kind) };
    Ok(Standing::Table { now: now.map_err(failure)?.into_iter().map(existing).collect(), made })
}

fn holds(kind: &str) -> Holds {
    Holds::Type(match kind {
        "bool" => ColumnType::Boolean,
        "int2" | "int4" | "int8" => ColumnType::Integer,
        "float4" | "float8" | "numeric" => ColumnType::Number,
        "date" => ColumnType::Date,
        "timestamp" => ColumnType::Timestamp,
        "timestamptz" => ColumnType::Timestamptz,
        "text" | "varchar" | "bpchar" | "name" | "citext" => ColumnType::Text,
        _ => return Holds::Nothing,
    })
}

/// Rows are told apart by an index: there, or made where the table is `ours`.
async fn ensure_key(connection: &mut PgConnection, table: &str, key: &[String], ours: bool) -> Result<(), Failure> {
    let indexes = "
        SELECT array_agg(a.attname::text) FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
        WHERE n.nspname = current_schema() AND c.relname = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate
            AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = i.indnatts
        GROUP BY i.indexrelid";
    let indexes = sqlx::query(indexes).bind(table).fetch_all(&mut *connection).await.map_err(failure)?;
    for index in indexes {
        let columns: Vec<String> = index.try_get(0).map_err(failure)?;
        if columns.len() == key.len() && key.iter().all(|key| columns.contains(key)) {
            return Ok(());
        }
    }
    if !ours {
        return Err(no_unique_index(table, key));
    }
    let columns = quoted_list(key.iter().map(String::as_str));
    let make = format!("CREATE UNIQUE INDEX ON {} ({columns})", quoted(table));
    let made = sqlx::raw_sql(AssertSqlSafe(make)).execute(connection).await;
    made.map(drop).map_err(|error| match error.as_database_error().and_then(|told| told.code()).as_deref() {
        Some("23505") => key_is_not_unique(table, key),
        _ => failure(error),
    })
}

async fn make_waiting_rows(connection: &mut PgConnection, target: &str, columns: &Columns) -> Result<(), Failure> {
    let put = columns.put();
    let names = quoted_list(put.iter().map(|column| column.name.as_str()));
    // The types are the table's own.
    let make = format!(
        "CREATE TEMPORARY TABLE bellwire_upsert ON COMMIT DROP AS SELECT {names} FROM {target} WITH NO DATA;
         ALTER TABLE {WAITING_ROWS} ADD COLUMN {ROW_NUMBER} bigserial"
    );
    run(connection, make).await
}

async fn merge_waiting_rows(connection: &mut PgConnection, target: &str, columns: &Columns) -> Result<(), Failure> {
    let put = columns.put();
    let names = quoted_list(put.iter().map(|column| column.name.as_str()));
    let key = quoted_list(columns.key.iter().map(String::as_str));
    let conflict = on_conflict(&put, &columns.key);
    let merge = format!(
        "INSERT INTO {target} ({names}) SELECT DISTINCT ON ({key}) {names} FROM {WAITING_ROWS}
         ORDER BY {key}, {ROW_NUMBER} DESC {conflict}"
    );
    run(connection, merge).await
}

async fn make_table(connection: &mut PgConnection, table: &str, columns: &[Column]) -> sqlx::Result<()> {
    let definition = |column: &Column| format!("{} {}", quoted(&column.name), sql_type(column.kind));
    let definitions = columns.iter().map(definition).collect::<Vec<_>>().join(", ");
    let sql = format!("CREATE TABLE {} ({definitions})", quoted(table));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

fn sql_type(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Boolean => "boolean",
        ColumnType::Integer => "bigint",
        ColumnType::Number => "double precision",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp",
        ColumnType::Timestamptz => "timestamptz",
        ColumnType::Text => "text",
    }
}

/// In the place of the one that is there.
async fn put_in_place(connection: &mut PgConnection, loaded: &str, table: &str) -> Result<(), Failure> {
    let name = quoted(table);
    run(connection, format!("DROP TABLE IF EXISTS {name}; ALTER TABLE {loaded} RENAME TO {name}")).await
}

async fn register(connection: &mut PgConnection, table: &str, columns: &[Column]) -> Result<(), Failure> {
    let register = "
        INSERT INTO bellwire_imported_tables (table_name, columns) VALUES ($1, $2::json)
        ON CONFLICT (table_name) DO UPDATE SET columns = excluded.columns";
    let columns = serde_json::to_string(columns).map_err(unreadable)?;
    sqlx::query(register).bind(table).bind(columns).execute(connection).await.map(drop).map_err(failure)
}

/// Reads the file on a thread of its own and sends what it writes.
async fn copy(
    connection: &mut PgConnection,
    table: &str,
    mut load: Load,
    bringing: impl Future<Output = ()>,
) -> Result<(Load, Reading), Failure> {
    let columns = load.plan.columns.put();
    let names = quoted_list(columns.iter().map(|column| column.name.as_str()));
    let statement = format!("COPY {table} ({names}) FROM STDIN");
    let mut copy = connection.copy_in_raw(&statement).await.map_err(failure)?;
    let (sender, mut pieces) = mpsc::channel(WAITING);
    // After a failure the records are dropped here, and with them the wish for more of the file.
    let reading = thread::run(move || {
        let mut rows = Copy::new(sender);
        let reading = load::read(&mut load, &mut rows)?;
        rows.end().map(|()| (load, reading))
    });
    let sending = async {
        // Closed when this ends, whether for an error or not: the thread must not wait for us.
        let mut pieces = std::mem::replace(&mut pieces, mpsc::channel(1).1);
        while let Some(piece) = pieces.recv().await {
            copy.send(piece).await?;
        }
        sqlx::Result::Ok(())
    };
    let (read, (), sent) = tokio::join!(reading, bringing, sending);
    sent.map_err(failure)?;
    let (load, reading) = read?;
    match &reading {
        Reading::All(_) => copy.finish().await.map(drop).map_err(failure)?,
        Reading::Misfit(_) => copy.abort("the types do not hold").await.map_err(failure)?,
    }
    Ok((load, reading))
}

fn failure(error: sqlx::Error) -> Failure {
    let sqlx::Error::Database(told) = &error else {
        return Failure::passing("the database is away", error);
    };
    let code = told.code().unwrap_or_default();
    let permanent = |reason, message| Failure::Permanent { reason, message };
    match code.as_ref() {
        "53100" => permanent("full", "the disk of the database is full, so nothing was imported".to_owned()),
        "2BP01" => permanent("table", format!("{told}; nothing was changed")),
        // Away, starting or stopping, too many connections, refused, no such database, deadlock, lock.
        "55P03" | "3D000" => Failure::passing("the database cannot be used now", error),
        code if ["08", "53", "57", "58", "28", "40"].iter().any(|class| code.starts_with(class)) => {
            Failure::passing("the database cannot be used now", error)
        }
        _ => permanent("database", format!("the database refuses it: {told}")),
    }
}
