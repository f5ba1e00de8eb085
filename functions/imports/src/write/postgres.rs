//! Tables in PostgreSQL.

use std::time::Instant;

use model::TaskId;
use runtime::{Failure, database::Postgres};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgTransaction};

use crate::{
    column::Column,
    input::Mode,
    output::Imported,
    schema::{
        existing::ExistingColumn,
        mapping::{ColumnLimit, ColumnMapping},
    },
    write::{
        batches::BatchWriter,
        job::{LoadAgain, LoadJob, LoadOutcome, LoadedTable},
        load::ReadOutcome,
        own_tables::OWN_TABLES,
        postgres_catalog::{Relation, Schema, check_hides_no_type, ensure_unique_index, run, sql_type},
        postgres_copy::{copy_batches, copy_rows},
        postgres_records::{record_bytes, record_output, record_table, recorded_output, usage},
        postgres_swap::Swap,
        quota::{self, Usage},
        refused::{self, Refusal},
        sql::{column_list, create_table, key_list, on_conflict, quoted, rows_are_kept},
        strategy::{LoadStrategy, would_be_lost},
    },
};

/// PostgreSQL's own limit.
pub(crate) const COLUMN_LIMIT: ColumnLimit = ColumnLimit { max: 1600, database: "PostgreSQL" };

/// The rows of an upsert before they are merged; numbered, because the last one of a key wins.
const STAGED_ROWS: &str = "pg_temp.bellwire_upsert";
const ROW_NUMBER: &str = "\"bellwire row\"";

/// The result of an earlier run of a task, if one was completed.
pub(crate) async fn earlier_output(database: &Postgres, task: TaskId) -> Result<Option<Imported>, Failure> {
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
    match &outcome {
        LoadOutcome::Done(_) => transaction.commit().await.map_err(commit_failure)?,
        LoadOutcome::Again { .. } => transaction.rollback().await?,
    }
    Ok(outcome)
}

/// A deferred constraint tells the rows that break it only now; it stays the rows' own fault.
fn commit_failure(error: sqlx::Error) -> Failure {
    match refused::by_postgres(&error) {
        Some(Refusal { reason, .. }) => {
            Failure::Permanent { reason: "rejected", message: format!("nothing was imported: {reason}") }
        }
        None => error.into(),
    }
}

async fn load_within(
    transaction: &mut PgTransaction<'_>,
    mut job: LoadJob,
    transfer: impl Future<Output = ()>,
) -> Result<LoadOutcome, Failure> {
    let waiting_since = Instant::now();
    let schema = Schema::current(transaction).await?;
    let mut names: Vec<_> = job.tables.iter().map(|table| table.spec.table.as_str()).collect();
    // In one order, so that two imports never wait for each other.
    names.sort_unstable();
    for name in names {
        lock(transaction, &schema, name).await?;
    }
    job.started += waiting_since.elapsed();
    // Another run of this task may have ended first.
    if let Some(imported) = recorded_output(transaction, &schema, job.task).await? {
        return Ok(LoadOutcome::Done(imported));
    }
    let (mut transfer, mut swaps) = (Some(transfer), Vec::new());
    while job.at < job.tables.len() {
        let transfer = transfer.take();
        let transfer = async {
            if let Some(transfer) = transfer {
                transfer.await;
            }
        };
        match load_table(transaction, &schema, job, transfer).await? {
            TableOutcome::Loaded(loaded, swap) => {
                job = *loaded;
                swaps.push(swap);
            }
            TableOutcome::Again(outcome) => return Ok(outcome),
        }
    }
    for swap in swaps {
        swap.make(transaction, &schema).await?;
    }
    let person = quota::person(&job.tables[0].spec).map(str::to_owned);
    if let Some(person) = &person {
        // The last lock that is taken: other imports of this person may have ended meanwhile, and the next ones wait.
        lock_person(transaction, &schema, person).await?;
        let used = usage(transaction, &schema, person, &job.replaced()).await?;
        job.quota.check_bytes(used, job.written.bytes())?;
        // They are counted already.
        let new = job.new_tables();
        job.quota.check_new_tables(Usage { tables: used.tables.saturating_sub(new), ..used }, new)?;
    }
    for LoadedTable { output, keeps_rows, bytes, .. } in &job.loaded {
        record_bytes(transaction, &schema, &output.table, person.as_deref(), *keeps_rows, *bytes).await?;
    }
    let imported = job.imported();
    record_output(transaction, &schema, job.task, &imported).await?;
    if job.stop.is_cancelled() { Err(Failure::Stopped) } else { Ok(LoadOutcome::Done(imported)) }
}

/// The outcome of loading one table.
enum TableOutcome {
    Loaded(Box<LoadJob>, Swap),
    Again(LoadOutcome),
}

/// Loads the table of now.
async fn load_table(
    transaction: &mut PgTransaction<'_>,
    schema: &Schema,
    mut job: LoadJob,
    transfer: impl Future<Output = ()>,
) -> Result<TableOutcome, Failure> {
    let (at, spec) = (job.at, job.table().spec.clone());
    let table = spec.table.as_str();
    let (existing, relation) = schema.lock_table(transaction, table).await?;
    let strategy = LoadStrategy::choose(&existing, &spec, &mut job.tables[at].plan.mapping)?;
    if strategy == LoadStrategy::Create {
        check_hides_no_type(transaction, table).await?;
    }
    let mapping = job.table().plan.mapping.clone();
    COLUMN_LIMIT.check(mapping.table_columns().len())?;
    let (keeps_rows, makes_table) = (strategy == LoadStrategy::Append, quota::is_new_table(&existing, &spec));
    let mut used = None;
    if let Some(person) = quota::person(&spec) {
        let mut replaced = job.replaced();
        replaced.extend((!keeps_rows).then_some(table));
        let counted = usage(transaction, schema, person, &replaced).await?;
        if makes_table {
            job.quota.check_new_tables(counted, job.new_tables() + 1)?;
        }
        used = Some((job.quota, counted));
    }
    let width = quota::width(&existing, strategy, mapping.table_columns().len());
    let written = job.written.with_table(used, width);
    job.begin_table(strategy.replaces_rows(), written);
    let upserts = spec.mode == Mode::Upsert;
    // A new table has another name at first, so that others read the old one until the commit.
    let new = format!("bellwire_load_{}_{at}", job.task).to_lowercase();
    let creates = matches!(strategy, LoadStrategy::Create | LoadStrategy::Recreate);
    let loaded_as = (creates && !upserts).then_some(new);
    let target = schema.name(loaded_as.as_deref().unwrap_or(table));
    if creates {
        run(transaction, create_table(&target, &mapping.table_columns(), sql_type)).await?;
    }
    if let (LoadStrategy::DeleteRows, Some(relation)) = (strategy, relation) {
        delete_rows(transaction, &target, relation, table).await?;
    }
    let mut table_columns = mapping.table_columns();
    if let (LoadStrategy::Reshape, Some(relation), Some(created)) = (strategy, relation, existing.created()) {
        delete_rows(transaction, &target, relation, table).await?;
        table_columns = reshape(transaction, (&target, table), relation, created, table_columns).await?;
        record_table(transaction, schema, table, &table_columns).await?;
    }
    if upserts {
        ensure_unique_index(transaction, schema, table, &mapping.key, !existing.is_foreign(), job.task).await?;
        create_staging_table(transaction, &target, &mapping).await?;
    }
    let into = if upserts { STAGED_ROWS } else { &target };
    let names = column_list(&mapping.insert_columns());
    let copy = format!("COPY {into} ({names}) FROM STDIN");
    let merge = upserts.then(|| merge_statement(&target, &mapping));
    let in_batches = job.table().in_batches;
    let refused = job.again(LoadAgain::RowsRefused);
    let copied = match in_batches {
        false => copy_rows(transaction, &copy, job, transfer).await?,
        true => {
            let merge = merge.clone().map(|merge| (merge, format!("TRUNCATE {STAGED_ROWS}")));
            Some(copy_batches(transaction, BatchWriter { copy, merge }, job, transfer).await?)
        }
    };
    let Some((mut job, outcome)) = copied else { return Ok(TableOutcome::Again(refused)) };
    let summary = match outcome {
        ReadOutcome::Complete(summary) => summary,
        ReadOutcome::TypesChanged(mapping) => {
            let why = job.types_changed(mapping);
            return Ok(TableOutcome::Again(job.again(why)));
        }
    };
    if let Some(merge) = merge.filter(|_| !in_batches)
        && let Err(error) = run(transaction, merge).await
    {
        refused::by_postgres(&error).ok_or(error)?;
        return Ok(TableOutcome::Again(refused));
    }
    if upserts {
        run(transaction, format!("DROP TABLE {STAGED_ROWS}")).await?;
    }
    let swap = Swap {
        table: table.to_owned(),
        old: relation.filter(|_| strategy == LoadStrategy::Recreate),
        loaded_as,
        columns: creates.then_some(table_columns),
        owner: existing.new_owner(&spec),
    };
    job.end_table(summary, keeps_rows, makes_table);
    Ok(TableOutcome::Loaded(Box::new(job), swap))
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

/// Gives an empty table other columns, and keeps all that is attached to it; its columns then, in its order. Others wait
/// from here until the commit.
async fn reshape(
    connection: &mut PgConnection,
    (target, table): (&str, &str),
    relation: Relation,
    created: &[Column],
    wanted: Vec<Column>,
) -> Result<Vec<Column>, Failure> {
    let is_wanted = |column: &&Column| wanted.iter().any(|wanted| wanted.name == column.name);
    let is_there = |column: &&Column| created.iter().any(|there| there.name == column.name);
    let dropped: Vec<_> =
        created.iter().filter(|column| !is_wanted(column)).map(|column| column.name.clone()).collect();
    let resting = relation.resting_on(connection, &dropped).await?;
    if !resting.is_empty() {
        let created: Vec<_> = created.iter().cloned().map(ExistingColumn::from).collect();
        return Err(would_be_lost(table, &created, &resting));
    }
    let mut columns = Vec::with_capacity(wanted.len());
    let mut changes: Vec<_> = dropped.iter().map(|name| format!("DROP COLUMN {}", quoted(name))).collect();
    for column in created {
        let Some(wanted) = wanted.iter().find(|wanted| wanted.name == column.name) else { continue };
        if wanted.column_type != column.column_type {
            let (name, sql_type) = (quoted(&wanted.name), sql_type(wanted));
            changes.push(format!("ALTER COLUMN {name} TYPE {sql_type} USING NULL::{sql_type}"));
        }
        columns.push(wanted.clone());
    }
    for column in wanted.into_iter().filter(|column| !is_there(&column)) {
        changes.push(format!("ADD COLUMN {} {}", quoted(&column.name), sql_type(&column)));
        columns.push(column);
    }
    if !changes.is_empty() {
        run(connection, format!("ALTER TABLE {target} {}", changes.join(", "))).await?;
    }
    Ok(columns)
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

/// Merges the staged rows; of several with one key the last counts.
fn merge_statement(target: &str, mapping: &ColumnMapping) -> String {
    let columns = mapping.insert_columns();
    let (names, key) = (column_list(&columns), key_list(&mapping.key));
    let conflict = on_conflict(&columns, &mapping.key);
    format!(
        "INSERT INTO {target} AS target ({names}) SELECT DISTINCT ON ({key}) {names} FROM {STAGED_ROWS}
         ORDER BY {key}, {ROW_NUMBER} DESC {conflict}"
    )
}
