//! Tables in PostgreSQL: rows are written in COPY's text format by the thread that reads them, and sent beside it.

use std::{str::FromStr, time::Duration};

use backplane::TaskId;
use runtime::Failure;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgTransaction, postgres::PgConnectOptions};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    column::{Column, ColumnType},
    copy::Copy,
    database::{OpenError, Standing, adds_to, check_width, quoted, quoted_list, unreadable},
    load::{self, Load, Loaded, Reading},
    outcome::Output,
    plan::PlannedColumn,
    thread,
};

/// PostgreSQL's own limit.
const MOST_COLUMNS: usize = 1600;

/// How long connecting may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pieces of rows that wait between the thread that reads and the connection.
const WAITING: usize = 4;

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
    options: Box<PgConnectOptions>,
}

impl Postgres {
    pub(crate) fn open(url: &str) -> Result<Self, OpenError> {
        // The error's own words could show a part of the address.
        let options = PgConnectOptions::from_str(url);
        let options = options.map_err(|_| OpenError("it is no address of a PostgreSQL database".to_owned()))?;
        Ok(Self { options: Box::new(options.application_name("bellwire-imports")) })
    }

    async fn connect(&self) -> Result<PgConnection, Failure> {
        let away = |cause: anyhow::Error| Failure::passing("the database is away", cause);
        match timeout(PATIENCE, PgConnection::connect_with(&self.options)).await {
            Ok(connected) => connected.map_err(|error| away(error.into())),
            Err(elapsed) => Err(away(elapsed.into())),
        }
    }

    pub(crate) async fn recorded(&self, task: TaskId) -> Result<Option<Output>, Failure> {
        let mut connection = self.connect().await?;
        make_own_tables(&mut connection).await.map_err(failure)?;
        let output = recorded(&mut connection, task).await;
        // Nothing is left to lose.
        let _ = connection.close().await;
        output
    }

    pub(crate) async fn load(&self, load: Load, bringing: impl Future<Output = ()>) -> Result<Loaded, Failure> {
        check_width(&load.plan, MOST_COLUMNS, "PostgreSQL")?;
        let stop = load.stop.clone();
        let mut connection = self.connect().await?;
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
        let _ = connection.close().await;
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
    Misfit(Vec<PlannedColumn>),
}

async fn fill(
    transaction: &mut PgTransaction<'_>,
    mut load: Load,
    bringing: impl Future<Output = ()>,
) -> Result<Filled, Failure> {
    let table = load.input.table.clone();
    lock(transaction, table.as_str()).await.map_err(failure)?;
    // Another run of this task may have been faster.
    if let Some(output) = recorded(transaction, load.task).await? {
        return Ok(Filled::Earlier(output));
    }
    let standing = standing(transaction, table.as_str()).await?;
    let adds = adds_to(standing, table.as_str(), load.input.mode, &mut load.plan)?;
    let target = if adds { table.as_str().to_owned() } else { format!("bellwire_load_{}", load.task).to_lowercase() };
    if !adds {
        make_table(transaction, &target, &load.plan.columns()).await.map_err(failure)?;
    }
    let (load, reading) = copy(transaction, &target, load, bringing).await?;
    let summary = match reading {
        Reading::All(summary) => summary,
        Reading::Misfit(columns) => return Ok(Filled::Misfit(columns)),
    };
    if !adds {
        put_in_place(transaction, &target, table.as_str(), &load.plan.columns()).await?;
    }
    let output = Output::of(&load, summary);
    record(transaction, load.task, &output).await?;
    if load.stop.is_cancelled() { Err(Failure::Stopped) } else { Ok(Filled::Ready(output)) }
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
        SELECT c.oid::int8 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relname = $1";
    let there = sqlx::query_scalar::<_, i64>(there).bind(table).fetch_optional(&mut *connection).await;
    let Some(oid) = there.map_err(failure)? else {
        return Ok(Standing::Free);
    };
    let made = "SELECT columns::text FROM bellwire_imported_tables WHERE table_name = $1";
    let made = sqlx::query_scalar::<_, String>(made).bind(table).fetch_optional(&mut *connection).await;
    let Some(made) = made.map_err(failure)? else {
        return Ok(Standing::Foreign);
    };
    let made = serde_json::from_str(&made).map_err(unreadable)?;
    let now = "
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = $1::int8::oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    let now = sqlx::query_scalar(now).bind(oid).fetch_all(connection).await.map_err(failure)?;
    Ok(Standing::Imported { made, now })
}

/// A table of the load's own at first, so that others read the old one until the commit.
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

async fn put_in_place(
    connection: &mut PgConnection,
    loaded: &str,
    table: &str,
    columns: &[Column],
) -> Result<(), Failure> {
    let (loaded, name) = (quoted(loaded), quoted(table));
    let swap = format!("DROP TABLE IF EXISTS {name}; ALTER TABLE {loaded} RENAME TO {name}");
    sqlx::raw_sql(AssertSqlSafe(swap)).execute(&mut *connection).await.map_err(failure)?;
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
    let statement = format!("COPY {} ({}) FROM STDIN", quoted(table), quoted_list(&load.plan.columns()));
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
