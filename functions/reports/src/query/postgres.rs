//! Reads the queries' rows from PostgreSQL with a cursor each, in one read-only transaction on a connection of its own.

use std::time::Duration;

use futures_util::TryStreamExt;
use runtime::{DatabaseError, Failure, database::Postgres, definitions::line_of};
use sqlx::{
    AssertSqlSafe, Column as _, Connection, Executor, PgConnection, Postgres as Server, Row as _, SqlSafeStr,
    Statement, TypeInfo as _, ValueRef as _,
    postgres::{PgArguments, PgDatabaseError, PgErrorPosition, PgRow, PgTypeInfo, PgValueRef},
    query::Query,
};
use tokio::time::{sleep, timeout};

use super::{
    batch::{Message, RowBatch, TextKind},
    bound_report::BoundValue,
    run::QueryRun,
};

const BEGIN_TIMEOUT: Duration = Duration::from_secs(10);
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn run(database: &Postgres, run: QueryRun) -> Result<(), Failure> {
    let mut connection = tokio::select! {
        connected = database.connect() => connected.map_err(connect_failure)?,
        () = run.stop.cancelled() => return Err(Failure::Stopped),
    };
    let begun = timeout(BEGIN_TIMEOUT, begin(&mut connection, &run)).await;
    let begun = begun.map_err(|elapsed| connect_failure(DatabaseError::Passing(elapsed.to_string())))?;
    let backend = begun.map_err(|error| failure(error, &run, 0, None))?;
    let failure = tokio::select! {
        result = stream_all(&mut connection, &run) => match result {
            Ok(()) => {
                // Nothing is left to lose.
                let _ = connection.close().await;
                return Ok(());
            }
            Err(failure) => failure,
        },
        () = run.stop.cancelled() => Failure::Stopped,
        () = sleep(run.timeout) => run.timed_out(),
    };
    drop(connection);
    cancel(database, backend).await;
    Err(failure)
}

fn connect_failure(error: DatabaseError) -> Failure {
    match error {
        DatabaseError::Passing(_) => Failure::passing("The database is away.", error),
        error => error.into(),
    }
}

/// Begins a read-only transaction; returns the process id of the server's backend.
async fn begin(connection: &mut PgConnection, run: &QueryRun) -> sqlx::Result<i32> {
    Postgres::begin_read_only(connection, run.timeout).await?;
    // All queries of a report see the same rows, and values are written one way whatever the database is set to.
    connection
        .execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL intervalstyle = postgres; SET LOCAL bytea_output = hex")
        .await?;
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await
}

/// Cancels the query that may still run; a server that cannot be reached notices by itself that its client is gone.
async fn cancel(database: &Postgres, backend: i32) {
    let request = async {
        let mut connection = database.connect().await?;
        sqlx::query("SELECT pg_cancel_backend($1)").bind(backend).execute(&mut connection).await?;
        Ok::<_, DatabaseError>(())
    };
    if let Ok(Err(error)) = timeout(CANCEL_TIMEOUT, request).await {
        tracing::warn!(%error, "a query may run on");
    }
}

async fn stream_all(connection: &mut PgConnection, run: &QueryRun) -> Result<(), Failure> {
    for sheet in 0..run.report.values.len() {
        stream(connection, run, sheet).await?;
    }
    run.rows.send(Message::End).await.map_err(|_| Failure::Stopped)
}

/// Sends the rows of one sheet's query.
async fn stream(connection: &mut PgConnection, run: &QueryRun, sheet: usize) -> Result<(), Failure> {
    let values = &run.report.values[sheet];
    let sql = run.report.definition.sheets[sheet].sql.with_placeholders(|index| match values[index] {
        BoundValue::Date(_) => format!("CAST(${} AS date)", index + 1),
        _ => format!("${}", index + 1),
    });
    let send = async |message| run.rows.send(message).await.map_err(|_| Failure::Stopped);
    let prepare_failed = |error: sqlx::Error| failure(error, run, sheet, Some(&sql));
    let run_failed = |error: sqlx::Error| failure(error, run, sheet, None);

    let types: Vec<_> = values.iter().map(type_of).collect();
    let statement =
        connection.prepare_with(AssertSqlSafe(sql.clone()).into_sql_str(), &types).await.map_err(prepare_failed)?;
    let types: Vec<_> = statement.columns().iter().map(|column| ColumnType::of(column.type_info())).collect();
    send(Message::Columns(statement.columns().iter().map(|column| column.name().to_owned()).collect())).await?;

    // The rows of a cursor come as text, in which every type has all its digits.
    let declare = format!("DECLARE report NO SCROLL CURSOR FOR\n{sql}");
    let bound = values.iter().fold(sqlx::query(AssertSqlSafe(declare)).persistent(false), bind);
    bound.execute(&mut *connection).await.map_err(run_failed)?;
    let mut batch = RowBatch::new(types.len());
    let mut rows = sqlx::raw_sql("FETCH ALL FROM report").fetch(&mut *connection);
    while let Some(row) = rows.try_next().await.map_err(run_failed)? {
        push(&mut batch, &row, &types).map_err(run_failed)?;
        if batch.is_full() {
            send(Message::Rows(batch.take())).await?;
        }
    }
    drop(rows);
    if !batch.is_empty() {
        send(Message::Rows(batch)).await?;
    }
    connection.execute("CLOSE report").await.map(drop).map_err(run_failed)
}

fn type_of(value: &BoundValue) -> PgTypeInfo {
    match value {
        BoundValue::Text(_) | BoundValue::Date(_) => <String as sqlx::Type<Server>>::type_info(),
        BoundValue::Integer(_) => <i64 as sqlx::Type<Server>>::type_info(),
        BoundValue::Number(_) => <f64 as sqlx::Type<Server>>::type_info(),
        BoundValue::Boolean(_) => <bool as sqlx::Type<Server>>::type_info(),
    }
}

fn bind<'q>(query: Query<'q, Server, PgArguments>, value: &BoundValue) -> Query<'q, Server, PgArguments> {
    match value {
        BoundValue::Text(text) | BoundValue::Date(text) => query.bind(text.clone()),
        BoundValue::Integer(number) => query.bind(*number),
        BoundValue::Number(number) => query.bind(*number),
        BoundValue::Boolean(boolean) => query.bind(*boolean),
    }
}

/// The parser for the text of a column.
#[derive(Clone, Copy)]
enum ColumnType {
    Boolean,
    Integer,
    Real,
    Text(TextKind),
}

impl ColumnType {
    fn of(column: &PgTypeInfo) -> Self {
        match column.name() {
            "BOOL" => Self::Boolean,
            "INT2" | "INT4" | "INT8" => Self::Integer,
            "FLOAT4" | "FLOAT8" => Self::Real,
            "NUMERIC" => Self::Text(TextKind::Decimal),
            "DATE" => Self::Text(TextKind::Date),
            "TIMESTAMP" | "TIMESTAMPTZ" => Self::Text(TextKind::Timestamp),
            _ => Self::Text(TextKind::Text),
        }
    }
}

fn push(batch: &mut RowBatch, row: &PgRow, types: &[ColumnType]) -> sqlx::Result<()> {
    for (index, column_type) in types.iter().enumerate() {
        let value: PgValueRef<'_> = row.try_get_raw(index)?;
        if value.is_null() {
            batch.push_null();
            continue;
        }
        let text = value.as_str().map_err(sqlx::Error::Decode)?;
        match column_type {
            ColumnType::Boolean => batch.push_boolean(text == "t"),
            ColumnType::Integer => match text.parse() {
                Ok(number) => batch.push_integer(number),
                Err(_) => batch.push_text(TextKind::Decimal, text),
            },
            ColumnType::Real => match text.parse() {
                Ok(number) => batch.push_real(number),
                Err(_) => batch.push_text(TextKind::Text, text),
            },
            ColumnType::Text(kind) => batch.push_text(*kind, text),
        }
    }
    Ok(())
}

/// The failure of an error in a sheet's query; `sql` is the text whose line it may name.
fn failure(error: sqlx::Error, run: &QueryRun, sheet: usize, sql: Option<&str>) -> Failure {
    let answer = error.as_database_error();
    let code = answer.and_then(|answer| answer.code()).unwrap_or_default().into_owned();
    if code == "57014" {
        return if run.stop.is_cancelled() { Failure::Stopped } else { run.timed_out() };
    }
    let position = answer.and_then(|answer| answer.try_downcast_ref::<PgDatabaseError>()?.position());
    let line = match (position, sql) {
        (Some(PgErrorPosition::Original(character)), Some(sql)) => {
            let offset = sql.char_indices().nth(character.saturating_sub(1)).map_or(sql.len(), |(offset, _)| offset);
            Some(line_of(sql, offset))
        }
        _ => None,
    };
    let only_reads = if code == "25006" { "a report only reads: " } else { "" };
    match DatabaseError::from(error) {
        DatabaseError::Refused(text) => run.refused(sheet, line, &format!("{only_reads}{text}")),
        error => error.into(),
    }
}
