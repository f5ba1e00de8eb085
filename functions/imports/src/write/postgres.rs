//! Tables in PostgreSQL: the thread that reads the rows writes COPY's text format, and the connection sends it.

use std::time::Instant;

use model::TaskId;
use runtime::{Failure, database::Postgres, thread};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgTransaction};
use tokio::sync::mpsc;

use crate::{
    column::{Column, ColumnType},
    input::Mode,
    output::Output,
    schema::{
        existing::TableOwner,
        mapping::{ColumnLimit, ColumnMapping},
    },
    write::{
        copy::CopySink,
        load::{LoadJob, LoadOutcome, ReadOutcome},
        own_tables::OWN_TABLES,
        postgres_catalog::{Relation, Schema, check_hides_no_type, ensure_unique_index, run},
        quota::{self, Usage, WrittenBytes},
        sql::{column_list, create_table, key_list, on_conflict, quoted, record_error, rows_are_kept},
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
    let schema = Schema::current(&mut connection).await?;
    OWN_TABLES.create_in_postgres(&mut connection).await?;
    recorded_output(&mut connection, &schema, task).await
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
    let schema = Schema::current(transaction).await?;
    lock(transaction, &schema, table).await?;
    job.started += waiting_since.elapsed();
    // Another run of this task may have ended first.
    if let Some(output) = recorded_output(transaction, &schema, job.task).await? {
        return Ok(LoadOutcome::Done(output));
    }
    let (existing, relation) = schema.lock_table(transaction, table).await?;
    let strategy = LoadStrategy::choose(&existing, &spec, &mut job.plan.mapping)?;
    if strategy == LoadStrategy::Create {
        check_hides_no_type(transaction, table).await?;
    }
    let mapping = &job.plan.mapping;
    COLUMN_LIMIT.check(mapping.table_columns().len())?;
    let keeps_rows = strategy == LoadStrategy::Append;
    let person = quota::person(&spec);
    let makes_table = quota::is_new_table(&existing, &spec);
    let mut used = None;
    if let Some(person) = person {
        let counted = usage(transaction, &schema, person, table, keeps_rows).await?;
        if makes_table {
            job.quota.check_new_table(counted)?;
        }
        used = Some((job.quota, counted));
    }
    job.written = WrittenBytes::new(used, quota::width(&existing, strategy, mapping.table_columns().len()));
    let upserts = spec.mode == Mode::Upsert;
    // A new table has another name at first, so that others read the old one until the commit.
    let new = format!("bellwire_load_{}", job.task).to_lowercase();
    let creates = matches!(strategy, LoadStrategy::Create | LoadStrategy::Recreate);
    let target = schema.name(if creates && !upserts { &new } else { table });
    if creates {
        run(transaction, create_table(&target, &mapping.table_columns(), sql_type)).await?;
    }
    if let (LoadStrategy::DeleteRows, Some(relation)) = (strategy, relation) {
        delete_rows(transaction, &target, relation, table).await?;
    }
    if upserts {
        ensure_unique_index(transaction, &schema, table, &mapping.key, !existing.is_foreign(), job.task).await?;
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
    if let (LoadStrategy::Recreate, Some(relation)) = (strategy, relation) {
        drop_table(transaction, &schema, relation, table).await?;
    }
    if creates {
        if !upserts {
            run(transaction, format!("ALTER TABLE {target} RENAME TO {}", quoted(table))).await?;
        }
        record_table(transaction, &schema, table, &mapping.table_columns()).await?;
    }
    if let Some(owner) = existing.new_owner(&spec) {
        record_owner(transaction, &schema, table, &owner).await?;
    }
    if let Some(person) = person {
        // The last lock that is taken: other imports of this person may have ended meanwhile, and the next ones wait.
        lock_person(transaction, &schema, person).await?;
        let used = usage(transaction, &schema, person, table, keeps_rows).await?;
        job.quota.check_bytes(used, job.written.bytes())?;
        if makes_table {
            job.quota.check_new_table(used)?;
        }
    }
    record_bytes(transaction, &schema, table, person, keeps_rows, job.written.bytes()).await?;
    let output = job.output(summary);
    record_output(transaction, &schema, job.task, &output).await?;
    if job.stop.is_cancelled() { Err(Failure::Stopped) } else { Ok(LoadOutcome::Done(output)) }
}

/// Has imports into one table, and attempts at one task, run one after the other.
async fn lock(transaction: &mut PgTransaction<'_>, schema: &Schema, table: &str) -> sqlx::Result<()> {
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('bellwire.' || $1 || '.' || $2, 0))";
    sqlx::query(lock).bind(schema.as_str()).bind(table).execute(&mut **transaction).await.map(drop)
}

/// Has the ends of one person's imports come one after the other.
async fn lock_person(transaction: &mut PgTransaction<'_>, schema: &Schema, person: &str) -> sqlx::Result<()> {
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('bellwire_person.' || $1 || '.' || $2, 0))";
    sqlx::query(lock).bind(schema.as_str()).bind(person).execute(&mut **transaction).await.map(drop)
}

/// What a person's imports hold besides what this one replaces; tables that are gone do not count.
async fn usage(
    connection: &mut PgConnection,
    schema: &Schema,
    person: &str,
    table: &str,
    keeps_rows: bool,
) -> sqlx::Result<Usage> {
    let exists = "EXISTS (
        SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $4 AND c.relname = known.table_name)";
    let sql = format!(
        "SELECT
            (SELECT coalesce(sum(known.bytes), 0)::bigint FROM {} known
             WHERE known.owner = $1 AND ($3 OR known.table_name <> $2) AND {exists}),
            (SELECT count(*) FROM {} known
             WHERE known.owner = $1 AND known.definition IS NULL AND known.table_name <> $2 AND {exists})",
        schema.name("bellwire_imported_bytes"),
        schema.name("bellwire_imported_owners"),
    );
    let query = sqlx::query_as::<_, (i64, i64)>(AssertSqlSafe(sql)).bind(person).bind(table).bind(keeps_rows);
    let (bytes, tables) = query.bind(schema.as_str()).fetch_one(connection).await?;
    Ok(Usage::counted(bytes, tables))
}

/// Records what was written for a person, or that a definition's table counts for nobody.
async fn record_bytes(
    connection: &mut PgConnection,
    schema: &Schema,
    table: &str,
    person: Option<&str>,
    keeps_rows: bool,
    bytes: u64,
) -> sqlx::Result<()> {
    let records = schema.name("bellwire_imported_bytes");
    if !keeps_rows || person.is_none() {
        let delete = format!("DELETE FROM {records} WHERE table_name = $1");
        sqlx::query(AssertSqlSafe(delete)).bind(table).execute(&mut *connection).await?;
    }
    if let Some(person) = person {
        let record = format!(
            "INSERT INTO {records} AS known (table_name, owner, bytes) VALUES ($1, $2, $3)
             ON CONFLICT (table_name, owner) DO UPDATE SET bytes = known.bytes + excluded.bytes"
        );
        let query = sqlx::query(AssertSqlSafe(record)).bind(table).bind(person);
        query.bind(i64::try_from(bytes).unwrap_or(i64::MAX)).execute(connection).await?;
    }
    Ok(())
}

async fn recorded_output(
    connection: &mut PgConnection,
    schema: &Schema,
    task: TaskId,
) -> Result<Option<Output>, Failure> {
    let sql = format!("SELECT result::text FROM {} WHERE task = $1", schema.name("bellwire_imports"));
    let result = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).bind(task.to_string());
    let result = result.fetch_optional(connection).await?;
    result.map(|result| serde_json::from_str(&result).map_err(record_error)).transpose()
}

async fn record_output(
    connection: &mut PgConnection,
    schema: &Schema,
    task: TaskId,
    output: &Output,
) -> Result<(), Failure> {
    let records = schema.name("bellwire_imports");
    let sql = format!("INSERT INTO {records} (task, table_name, result) VALUES ($1, $2, $3::json)");
    let result = serde_json::to_string(output).map_err(record_error)?;
    let query = sqlx::query(AssertSqlSafe(sql)).bind(task.to_string()).bind(&output.table).bind(result);
    query.execute(connection).await?;
    Ok(())
}

/// Deletes all rows, and not those of tables that inherit from it. TRUNCATE would have readers wait until the commit, and
/// show an empty table to those with an older snapshot; a row that is deleted leaves its space to VACUUM instead.
async fn delete_rows(
    connection: &mut PgConnection,
    target: &str,
    relation: Relation,
    table: &str,
) -> Result<(), Failure> {
    let only = relation.only();
    run(connection, format!("DELETE FROM {only}{target}")).await?;
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {only}{target})");
    // A trigger or a rule may keep rows.
    match sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await? {
        true => Err(rows_are_kept(table)),
        false => Ok(()),
    }
}

/// Drops the table that was looked up, unless something was attached to it since then.
async fn drop_table(
    connection: &mut PgConnection,
    schema: &Schema,
    relation: Relation,
    table: &str,
) -> Result<(), Failure> {
    let name = schema.name(table);
    run(connection, format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")).await?;
    if let Some(words) = relation.attached(connection).await?.first() {
        let message = format!("the table {table} got {words} while it was replaced");
        return Err(Failure::passing(message, anyhow::anyhow!("to drop it would lose that")));
    }
    Ok(run(connection, format!("DROP TABLE {name}")).await?)
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
        "INSERT INTO {target} AS target ({names}) SELECT DISTINCT ON ({key}) {names} FROM {STAGED_ROWS}
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

async fn record_table(
    connection: &mut PgConnection,
    schema: &Schema,
    table: &str,
    columns: &[Column],
) -> Result<(), Failure> {
    let record = format!(
        "INSERT INTO {} (table_name, columns) VALUES ($1, $2::json)
         ON CONFLICT (table_name) DO UPDATE SET columns = excluded.columns",
        schema.name("bellwire_imported_tables")
    );
    let columns = serde_json::to_string(columns).map_err(record_error)?;
    sqlx::query(AssertSqlSafe(record)).bind(table).bind(columns).execute(connection).await?;
    Ok(())
}

async fn record_owner(
    connection: &mut PgConnection,
    schema: &Schema,
    table: &str,
    owner: &TableOwner,
) -> Result<(), Failure> {
    let record = format!(
        "INSERT INTO {} (table_name, owner, definition) VALUES ($1, $2, $3)
         ON CONFLICT (table_name) DO UPDATE SET owner = excluded.owner, definition = excluded.definition",
        schema.name("bellwire_imported_owners")
    );
    let query = sqlx::query(AssertSqlSafe(record)).bind(table).bind(owner.person()).bind(owner.definition());
    query.execute(connection).await?;
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
