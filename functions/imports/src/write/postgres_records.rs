//! Our own records in PostgreSQL: which tasks are done, whose tables are, and what was written to them.

use model::TaskId;
use runtime::Failure;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::{
    column::Column,
    output::Imported,
    schema::existing::TableOwner,
    write::{postgres_catalog::Schema, quota::Usage, sql::record_error},
};

/// What a person's imports hold besides what this one replaces; tables that are gone do not count.
pub(super) async fn usage(
    connection: &mut PgConnection,
    schema: &Schema,
    person: &str,
    replaced: &[&str],
) -> sqlx::Result<Usage> {
    let exists = "EXISTS (
        SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $3 AND c.relname = known.table_name)";
    let sql = format!(
        "SELECT
            (SELECT coalesce(sum(known.bytes), 0)::bigint FROM {} known
             WHERE known.owner = $1 AND known.table_name <> ALL($2) AND {exists}),
            (SELECT count(*) FROM {} known
             WHERE known.owner = $1 AND known.definition IS NULL AND {exists})",
        schema.name("bellwire_imported_bytes"),
        schema.name("bellwire_imported_owners"),
    );
    let query = sqlx::query_as::<_, (i64, i64)>(AssertSqlSafe(sql)).bind(person).bind(replaced);
    let (bytes, tables) = query.bind(schema.as_str()).fetch_one(connection).await?;
    Ok(Usage::counted(bytes, tables))
}

/// Records what was written for a person, or that a definition's table counts for nobody.
pub(super) async fn record_bytes(
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

/// The result of a task, if it was completed.
pub(super) async fn recorded_output(
    connection: &mut PgConnection,
    schema: &Schema,
    task: TaskId,
) -> Result<Option<Imported>, Failure> {
    let sql = format!("SELECT result::text FROM {} WHERE task = $1", schema.name("bellwire_imports"));
    let result = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).bind(task.to_string());
    let result = result.fetch_optional(connection).await?;
    result.map(|result| serde_json::from_str(&result).map_err(record_error)).transpose()
}

/// Records the result of a task.
pub(super) async fn record_output(
    connection: &mut PgConnection,
    schema: &Schema,
    task: TaskId,
    imported: &Imported,
) -> Result<(), Failure> {
    let records = schema.name("bellwire_imports");
    let sql = format!("INSERT INTO {records} (task, table_name, result) VALUES ($1, $2, $3::json)");
    let result = serde_json::to_string(imported).map_err(record_error)?;
    let query = sqlx::query(AssertSqlSafe(sql)).bind(task.to_string()).bind(imported.tables()).bind(result);
    query.execute(connection).await?;
    Ok(())
}

/// Records the columns that a table has by an import.
pub(super) async fn record_table(
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

/// Records whose a table is.
pub(super) async fn record_owner(
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
