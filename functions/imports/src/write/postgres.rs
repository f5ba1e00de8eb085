//! Tables in PostgreSQL: the thread that reads the rows writes COPY's text format, and the connection sends it.

use std::time::Instant;

use model::TaskId;
use runtime::{Failure, database::Postgres, thread};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgTransaction, Row};
use tokio::sync::mpsc;

use crate::{
    column::{Column, ColumnType},
    input::Mode,
    output::Output,
    schema::{
        existing::{Accepts, ExistingColumn, ExistingTable},
        mapping::{ColumnLimit, ColumnMapping},
    },
    write::{
        copy::CopySink,
        load::{LoadJob, LoadOutcome, ReadOutcome},
        own_tables::OWN_TABLES,
        sql::{
            column_list, create_table, key_is_not_unique, key_list, no_unique_index, on_conflict, quoted, record_error,
        },
        strategy::LoadStrategy,
    },
};

/// PostgreSQL's own limit.
pub(crate) const COLUMN_LIMIT: ColumnLimit = ColumnLimit { max: 1600, database: "PostgreSQL" };

/// Chunks of rows buffered between the reading thread and the connection.
const CHANNEL_CHUNKS: usize = 4;

/// The rows of an upsert before they are merged; numbered, because the last one of a key wins.
const STAGED_ROWS: &str = "pg_temp.bellwire_upsert";
const ROW_NUMBER: &str = "\"bellwire row\"";

/// The result of an earlier run of a task, if one was completed.
pub(crate) async fn earlier_output(database: &Postgres, task: TaskId) -> Result<Option<Output>, Failure> {
    let mut connection = database.pool().acquire().await?;
    OWN_TABLES.create_in_postgres(&mut connection).await?;
    recorded_output(&mut connection, task).await
}

/// Loads a table of a database on a server, in the current schema.
pub(crate) async fn load(
    database: &Postgres,
    job: LoadJob,
    transfer: impl Future<Output = ()>,
) -> Result<LoadOutcome, Failure> {
    let stop = job.stop.clone();
    let mut connection = database.pool().acquire().await?;
    // One that is left within a COPY is of no use to others.
    connection.close_on_drop();
    let mut transaction = connection.begin().await?;
    // A commit is not interrupted: an effect that came about must not be reported as stopped.
    let outcome = tokio::select! {
        outcome = load_within(&mut transaction, job, transfer) => outcome?,
        () = stop.cancelled() => return Err(Failure::Stopped),
    };
    let ended = match &outcome {
        LoadOutcome::Done(_) => transaction.commit().await,
        LoadOutcome::TypesChanged { .. } => transaction.rollback().await,
    };
    ended?;
    Ok(outcome)
}

async fn load_within(
    transaction: &mut PgTransaction<'_>,
    mut job: LoadJob,
    transfer: impl Future<Output = ()>,
) -> Result<LoadOutcome, Failure> {
    let spec = job.spec.clone();
    let table = spec.table.as_str();
    let waiting_since = Instant::now();
    lock(transaction, table).await?;
    job.started += waiting_since.elapsed();
    // Another run of this task may have ended first.
    if let Some(output) = recorded_output(transaction, job.task).await? {
        return Ok(LoadOutcome::Done(output));
    }
    let existing = existing_table(transaction, table).await?;
    let strategy = LoadStrategy::choose(&existing, &spec, &mut job.plan.mapping)?;
    let mapping = &job.plan.mapping;
    COLUMN_LIMIT.check(mapping.table_columns().len())?;
    let upserts = spec.mode == Mode::Upsert;
    // A new table has another name at first, so that others read the old one until the commit.
    let new = format!("bellwire_load_{}", job.task).to_lowercase();
    let name = if strategy == LoadStrategy::Create && !upserts { &new } else { table };
    let target = quoted(name);
    match strategy {
        LoadStrategy::Create => run(transaction, create_table(name, &mapping.table_columns(), sql_type)).await?,
        LoadStrategy::DeleteRows => run(transaction, format!("DELETE FROM {target}")).await?,
        LoadStrategy::Append => {}
    }
    if upserts {
        ensure_unique_index(transaction, table, &mapping.key, !existing.is_foreign()).await?;
        create_staging_table(transaction, &target, mapping).await?;
    }
    let into = if upserts { STAGED_ROWS } else { &target };
    let (job, outcome) = copy(transaction, into, job, transfer).await?;
    let summary = match outcome {
        ReadOutcome::Complete(summary) => summary,
        ReadOutcome::TypesChanged(mapping) => {
            return Ok(LoadOutcome::TypesChanged { mapping, started: job.started });
        }
    };
    let mapping = &job.plan.mapping;
    if upserts {
        merge_staged_rows(transaction, &target, mapping).await?;
    }
    if strategy == LoadStrategy::Create {
        if !upserts {
            replace_table(transaction, &target, table).await?;
        }
        record_table(transaction, table, &mapping.table_columns()).await?;
    }
    let output = job.output(summary);
    record_output(transaction, job.task, &output).await?;
    if job.stop.is_cancelled() { Err(Failure::Stopped) } else { Ok(LoadOutcome::Done(output)) }
}

async fn run(connection: &mut PgConnection, sql: String) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Has imports into one table, and attempts at one task, run one after the other.
async fn lock(transaction: &mut PgTransaction<'_>, table: &str) -> sqlx::Result<()> {
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('bellwire.' || current_schema() || '.' || $1, 0))";
    sqlx::query(lock).bind(table).execute(&mut **transaction).await.map(drop)
}

async fn recorded_output(connection: &mut PgConnection, task: TaskId) -> Result<Option<Output>, Failure> {
    let sql = "SELECT result::text FROM bellwire_imports WHERE task = $1";
    let result = sqlx::query_scalar::<_, String>(sql).bind(task.to_string()).fetch_optional(connection).await;
    result?.map(|result| serde_json::from_str(&result).map_err(record_error)).transpose()
}

async fn record_output(connection: &mut PgConnection, task: TaskId, output: &Output) -> Result<(), Failure> {
    let sql = "INSERT INTO bellwire_imports (task, table_name, result) VALUES ($1, $2, $3::json)";
    let result = serde_json::to_string(output).map_err(record_error)?;
    let query = sqlx::query(sql).bind(task.to_string()).bind(&output.table).bind(result);
    query.execute(connection).await?;
    Ok(())
}

async fn existing_table(connection: &mut PgConnection, table: &str) -> Result<ExistingTable, Failure> {
    let found = "
        SELECT c.oid::int8, c.relkind IN ('r', 'p') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relname = $1";
    let found = sqlx::query_as::<_, (i64, bool)>(found).bind(table).fetch_optional(&mut *connection).await;
    let oid = match found? {
        None => return Ok(ExistingTable::Missing),
        Some((_, false)) => return Ok(ExistingTable::NotATable),
        Some((oid, true)) => oid,
    };
    let imported = "SELECT columns::text FROM bellwire_imported_tables WHERE table_name = $1";
    let imported = sqlx::query_scalar::<_, String>(imported).bind(table).fetch_optional(&mut *connection).await;
    let imported = imported?;
    let imported = imported.map(|columns| serde_json::from_str(&columns).map_err(record_error)).transpose()?;
    let columns = "
        SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), t.typname::text
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
    let columns = sqlx::query_as::<_, (String, String, String)>(columns).bind(oid).fetch_all(connection).await;
    let columns = columns?.into_iter().map(|(name, type_name, internal_name)| {
        let accepts = accepts(&internal_name);
        ExistingColumn { name, type_name, accepts }
    });
    Ok(ExistingTable::Table { columns: columns.collect(), imported })
}

fn accepts(type_name: &str) -> Accepts {
    Accepts::Type(match type_name {
        "bool" => ColumnType::Boolean,
        "int2" | "int4" | "int8" => ColumnType::Integer,
        "float4" | "float8" | "numeric" => ColumnType::Number,
        "date" => ColumnType::Date,
        "timestamp" => ColumnType::Timestamp,
        "timestamptz" => ColumnType::Timestamptz,
        "text" | "varchar" | "bpchar" | "name" | "citext" => ColumnType::Text,
        _ => return Accepts::Unsupported,
    })
}

/// Finds a unique index over the key, or creates one where the table `is_ours`.
async fn ensure_unique_index(
    connection: &mut PgConnection,
    table: &str,
    key: &[String],
    is_ours: bool,
) -> Result<(), Failure> {
    let indexes = "
        SELECT array_agg(a.attname::text) FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
        WHERE n.nspname = current_schema() AND c.relname = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate
            AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = i.indnatts
        GROUP BY i.indexrelid";
    let indexes = sqlx::query(indexes).bind(table).fetch_all(&mut *connection).await?;
    for index in indexes {
        let columns: Vec<String> = index.try_get(0)?;
        if columns.len() == key.len() && key.iter().all(|key| columns.contains(key)) {
            return Ok(());
        }
    }
    if !is_ours {
        return Err(no_unique_index(table, key));
    }
    let create = format!("CREATE UNIQUE INDEX ON {} ({})", quoted(table), key_list(key));
    run(connection, create).await.map_err(|error| {
        match error.as_database_error().and_then(|error| error.code()).as_deref() {
            Some("23505") => key_is_not_unique(table, key),
            _ => error.into(),
        }
    })
}

async fn create_staging_table(
    connection: &mut PgConnection,
    target: &str,
    mapping: &ColumnMapping,
) -> sqlx::Result<()> {
    let names = column_list(&mapping.insert_columns());
    // With the types of the table.
    let create = format!(
        "CREATE TEMPORARY TABLE bellwire_upsert ON COMMIT DROP AS SELECT {names} FROM {target} WITH NO DATA;
         ALTER TABLE {STAGED_ROWS} ADD COLUMN {ROW_NUMBER} bigserial"
    );
    run(connection, create).await
}

async fn merge_staged_rows(connection: &mut PgConnection, target: &str, mapping: &ColumnMapping) -> sqlx::Result<()> {
    let columns = mapping.insert_columns();
    let (names, key) = (column_list(&columns), key_list(&mapping.key));
    let conflict = on_conflict(&columns, &mapping.key);
    let merge = format!(
        "INSERT INTO {target} ({names}) SELECT DISTINCT ON ({key}) {names} FROM {STAGED_ROWS}
         ORDER BY {key}, {ROW_NUMBER} DESC {conflict}"
    );
    run(connection, merge).await
}

fn sql_type(column: &Column) -> &'static str {
    match column.column_type {
        ColumnType::Boolean => "boolean",
        ColumnType::Integer => "bigint",
        ColumnType::Number => "double precision",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp",
        ColumnType::Timestamptz => "timestamptz",
        ColumnType::Text => "text",
    }
}

/// Gives the new table the name of the old one, on which no view or the like may depend.
async fn replace_table(connection: &mut PgConnection, new: &str, table: &str) -> Result<(), Failure> {
    let name = quoted(table);
    let replaced = run(connection, format!("DROP TABLE IF EXISTS {name}; ALTER TABLE {new} RENAME TO {name}")).await;
    replaced.map_err(|error| match error.as_database_error() {
        Some(answer) if answer.code().as_deref() == Some("2BP01") => {
            Failure::Permanent { reason: "table", message: format!("{answer}; nothing was changed") }
        }
        _ => error.into(),
    })
}

async fn record_table(connection: &mut PgConnection, table: &str, columns: &[Column]) -> Result<(), Failure> {
    let record = "
        INSERT INTO bellwire_imported_tables (table_name, columns) VALUES ($1, $2::json)
        ON CONFLICT (table_name) DO UPDATE SET columns = excluded.columns";
    let columns = serde_json::to_string(columns).map_err(record_error)?;
    sqlx::query(record).bind(table).bind(columns).execute(connection).await?;
    Ok(())
}

/// Reads the file on a blocking thread and sends what that writes.
async fn copy(
    connection: &mut PgConnection,
    table: &str,
    mut job: LoadJob,
    transfer: impl Future<Output = ()>,
) -> Result<(LoadJob, ReadOutcome), Failure> {
    let names = column_list(&job.plan.mapping.insert_columns());
    let statement = format!("COPY {table} ({names}) FROM STDIN");
    let mut copy = connection.copy_in_raw(&statement).await?;
    let (sender, mut chunks) = mpsc::channel(CHANNEL_CHUNKS);
    // After a failure the job is dropped here, which ends the transfer of the file.
    let reading = thread::run(move || {
        let mut sink = CopySink::new(sender);
        let outcome = job.read(&mut sink)?;
        sink.flush().map(|()| (job, outcome))
    });
    let sending = async {
        // Dropped when this ends, also by an error: the thread must not wait for it.
        let mut chunks = std::mem::replace(&mut chunks, mpsc::channel(1).1);
        while let Some(chunk) = chunks.recv().await {
            copy.send(chunk).await?;
        }
        Ok::<_, sqlx::Error>(())
    };
    let (read, (), sent) = tokio::join!(reading, transfer, sending);
    sent?;
    let (job, outcome) = read?;
    match &outcome {
        ReadOutcome::Complete(_) => drop(copy.finish().await?),
        ReadOutcome::TypesChanged(_) => copy.abort("the types do not hold").await?,
    }
    Ok((job, outcome))
}
