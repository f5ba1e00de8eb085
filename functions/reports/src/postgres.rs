//! A query's rows from PostgreSQL: a cursor in a transaction that can only read, on a connection of its own.

use std::{str::FromStr, time::Duration};

use futures_util::TryStreamExt;
use runtime::Failure;
use sqlx::{
    AssertSqlSafe, Column as _, Connection, Executor, PgConnection, Postgres as Server, Row as _, SqlSafeStr,
    Statement, TypeInfo as _, ValueRef as _,
    postgres::{PgArguments, PgConnectOptions, PgDatabaseError, PgErrorPosition, PgRow, PgTypeInfo, PgValueRef},
    query::Query,
};
use tokio::time::{sleep, timeout};

use crate::{
    broken::Broken,
    database::{Reading, line_of},
    parameter::Bound,
    row::{Batch, Message, TextKind},
};

/// How long connecting may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long taking a query back may take.
const TAKING_BACK: Duration = Duration::from_secs(5);

/// A database on a server, in the current schema.
pub(crate) struct Postgres {
    options: Box<PgConnectOptions>,
}

impl Postgres {
    pub(crate) fn open(url: &str) -> Result<Self, String> {
        // The error's own words could show a part of the address.
        let options = PgConnectOptions::from_str(url).map_err(|_| "it is no address of a PostgreSQL database")?;
        Ok(Self { options: Box::new(options.application_name("bellwire-reports")) })
    }

    async fn connect(&self) -> Result<PgConnection, Failure> {
        let away = |cause: anyhow::Error| Failure::passing("The database is away.", cause);
        match timeout(PATIENCE, PgConnection::connect_with(&self.options)).await {
            Ok(connected) => connected.map_err(|error| away(error.into())),
            Err(elapsed) => Err(away(elapsed.into())),
        }
    }

    pub(crate) async fn read(&self, reading: Reading) -> Result<(), Broken> {
        let mut connection = tokio::select! {
            connected = self.connect() => connected?,
            () = reading.stop.cancelled() => return Err(Failure::Stopped.into()),
        };
        let prepared = timeout(PATIENCE, prepare(&mut connection, &reading)).await;
        let away = |elapsed| Failure::passing("The database is away.", anyhow::Error::new(elapsed));
        let server = prepared.map_err(away)?.map_err(|error| explain(&error, &reading, None))?;
        let broken = tokio::select! {
            ended = stream(&mut connection, &reading) => match ended {
                Ok(()) => {
                    // Nothing is left to lose.
                    let _ = connection.close().await;
                    return Ok(());
                }
                Err(broken) => broken,
            },
            () = reading.stop.cancelled() => Failure::Stopped.into(),
            () = sleep(reading.timeout) => reading.too_long().into(),
        };
        drop(connection);
        self.take_back(server).await;
        Err(broken)
    }

    /// Ends what still runs there; a server that cannot be asked finds out that nobody listens.
    async fn take_back(&self, server: i32) {
        let asking = async {
            let mut connection = self.connect().await?;
            let asked = sqlx::query("SELECT pg_cancel_backend($1)").bind(server).execute(&mut connection).await;
            asked.map_err(|error| Failure::passing("The query was not taken back.", error))
        };
        if let Ok(Err(error)) = timeout(TAKING_BACK, asking).await {
            tracing::warn!(%error, "a query may run on");
        }
    }
}

/// Begins a transaction that can only read; answers which of the server's processes has it.
async fn prepare(connection: &mut PgConnection, reading: &Reading) -> sqlx::Result<i32> {
    let milliseconds = reading.timeout.as_millis();
    // PostgreSQL has this from version 14 on.
    let _ = connection.execute("SET client_connection_check_interval = '2s'").await;
    let begin = format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = {milliseconds}; SET LOCAL lock_timeout = {milliseconds}; \
         SET LOCAL standard_conforming_strings = on"
    );
    connection.execute(AssertSqlSafe(begin)).await?;
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await
}

async fn stream(connection: &mut PgConnection, reading: &Reading) -> Result<(), Broken> {
    let values = &reading.query.values;
    let sql = reading.query.sql.with_placeholders(|place| match values[place] {
        Bound::Date(_) => format!("CAST(${} AS date)", place + 1),
        _ => format!("${}", place + 1),
    });
    let say = async |message| reading.rows.send(message).await.map_err(|_| Broken::Cut);
    let failed = |error: sqlx::Error| Broken::from(explain(&error, reading, Some(&sql)));
    let failed_later = |error: sqlx::Error| Broken::from(explain(&error, reading, None));

    let types: Vec<_> = values.iter().map(type_of).collect();
    let statement = connection.prepare_with(AssertSqlSafe(sql.clone()).into_sql_str(), &types).await.map_err(failed)?;
    let kinds: Vec<_> = statement.columns().iter().map(|column| Kind::of(column.type_info())).collect();
    say(Message::Columns(statement.columns().iter().map(|column| column.name().to_owned()).collect())).await?;

    // A cursor's rows come as text, in which every type has all its digits.
    let declare = format!("DECLARE report NO SCROLL CURSOR FOR\n{sql}");
    let bound = values.iter().fold(sqlx::query(AssertSqlSafe(declare)).persistent(false), bind);
    bound.execute(&mut *connection).await.map_err(failed_later)?;
    let mut rows = sqlx::raw_sql("FETCH ALL FROM report").fetch(connection);
    let mut batch = Batch::new(kinds.len());
    while let Some(row) = rows.try_next().await.map_err(failed_later)? {
        push(&mut batch, &row, &kinds).map_err(failed_later)?;
        if batch.is_full() {
            say(Message::Rows(std::mem::replace(&mut batch, Batch::new(kinds.len())))).await?;
        }
    }
    if !batch.is_empty() {
        say(Message::Rows(batch)).await?;
    }
    say(Message::End).await
}

fn type_of(value: &Bound) -> PgTypeInfo {
    match value {
        Bound::Text(_) | Bound::Date(_) => <String as sqlx::Type<Server>>::type_info(),
        Bound::Integer(_) => <i64 as sqlx::Type<Server>>::type_info(),
        Bound::Number(_) => <f64 as sqlx::Type<Server>>::type_info(),
        Bound::Boolean(_) => <bool as sqlx::Type<Server>>::type_info(),
    }
}

fn bind<'q>(query: Query<'q, Server, PgArguments>, value: &Bound) -> Query<'q, Server, PgArguments> {
    match value {
        Bound::Text(text) | Bound::Date(text) => query.bind(text.clone()),
        Bound::Integer(number) => query.bind(*number),
        Bound::Number(number) => query.bind(*number),
        Bound::Boolean(truth) => query.bind(*truth),
    }
}

/// How a column's text is read.
#[derive(Clone, Copy)]
enum Kind {
    Boolean,
    Integer,
    Real,
    Text(TextKind),
}

impl Kind {
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

fn push(batch: &mut Batch, row: &PgRow, kinds: &[Kind]) -> sqlx::Result<()> {
    for (at, kind) in kinds.iter().enumerate() {
        let value: PgValueRef<'_> = row.try_get_raw(at)?;
        if value.is_null() {
            batch.push_null();
            continue;
        }
        let text = value.as_str().map_err(sqlx::Error::Decode)?;
        match kind {
            Kind::Boolean => batch.push_boolean(text == "t"),
            Kind::Integer => match text.parse() {
                Ok(number) => batch.push_integer(number),
                Err(_) => batch.push_text(TextKind::Decimal, text),
            },
            Kind::Real => match text.parse() {
                Ok(number) => batch.push_real(number),
                Err(_) => batch.push_text(TextKind::Text, text),
            },
            Kind::Text(kind) => batch.push_text(*kind, text),
        }
    }
    Ok(())
}

fn explain(error: &sqlx::Error, reading: &Reading, sql: Option<&str>) -> Failure {
    let Some(answer) = error.as_database_error() else {
        let message = "The database cannot be used now.";
        return Failure::passing(message, anyhow::anyhow!(error.to_string()));
    };
    let code = answer.code().unwrap_or_default();
    if code == "57014" {
        return if reading.stop.is_cancelled() { Failure::Stopped } else { reading.too_long() };
    }
    // Connections, resources, an operator's word, a conflict of transactions, a lock that was not had.
    if ["08", "53", "57", "58", "40", "55"].iter().any(|class| code.starts_with(class)) {
        return Failure::passing("The database cannot be used now.", anyhow::anyhow!(answer.message().to_owned()));
    }
    let place = answer.try_downcast_ref::<PgDatabaseError>().and_then(|answer| answer.position());
    let line = match (place, sql) {
        (Some(PgErrorPosition::Original(place)), Some(sql)) => {
            let before = sql.char_indices().nth(place.saturating_sub(1)).map_or(sql.len(), |(at, _)| at);
            Some(line_of(sql, before))
        }
        _ => None,
    };
    let only_reads = if code == "25006" { "a report only reads: " } else { "" };
    reading.refused(line, &format!("{only_reads}{}", answer.message()))
}
