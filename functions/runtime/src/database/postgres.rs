//! PostgreSQL: a pool of connections; a piece of work holds one on a thread of its own.

use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    AssertSqlSafe, Column, Executor, PgPool, PgTransaction, Postgres as Server, Row as _, TypeInfo,
    encode::{Encode, IsNull},
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgConnectOptions, PgPoolOptions, PgRow, PgTypeInfo, types::Oid},
    query::Query,
};
use tokio::{runtime::Handle, sync::OnceCell};

use super::{DatabaseError, OpenError, Row, Transaction, Value};
use crate::thread;

/// Connections of one process at most.
const MOST_CONNECTIONS: u32 = 8;
/// How long waiting for one may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The type of a value whose type the statement tells.
const UNKNOWN: Oid = Oid(705);

/// A database on a server, in the current schema; cheap to clone.
#[derive(Clone)]
pub struct Postgres {
    pool: PgPool,
    prepared: Arc<OnceCell<()>>,
}

impl Postgres {
    pub(super) fn open(url: &str) -> Result<Self, OpenError> {
        // The error's own words could show a part of the address.
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| OpenError("it is no address of a PostgreSQL database".to_owned()))?
            .application_name("bellwire");
        let pool = PgPoolOptions::new().max_connections(MOST_CONNECTIONS).acquire_timeout(PATIENCE);
        Ok(Self { pool: pool.connect_lazy_with(options), prepared: Arc::default() })
    }

    /// Its connections, for what [`Transaction`] cannot do.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Set once the record of effects is there.
    pub(super) fn prepared(&self) -> &OnceCell<()> {
        &self.prepared
    }

    pub(super) async fn transaction<T: Send + 'static, E: From<DatabaseError> + Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let transaction = self.pool.begin().await.map_err(explain)?;
        let runtime = Handle::current();
        let work = move || {
            let mut transaction = Waiting { transaction, runtime };
            let done = work(&mut transaction)?;
            let Waiting { transaction, runtime } = transaction;
            runtime.block_on(transaction.commit()).map_err(explain)?;
            Ok(done)
        };
        thread::run(move || Ok::<_, DatabaseError>(work())).await?
    }
}

/// A transaction whose user waits for it.
struct Waiting {
    transaction: PgTransaction<'static>,
    runtime: Handle,
}

impl Transaction for Waiting {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DatabaseError> {
        let done = self.runtime.block_on(self.transaction.execute(bound(sql, values)));
        done.map(|done| done.rows_affected()).map_err(explain)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DatabaseError> {
        let rows = self.runtime.block_on(self.transaction.fetch_all(bound(sql, values))).map_err(explain)?;
        rows.iter().map(row).collect()
    }
}

fn bound<'q>(sql: &'q str, values: &[Value]) -> Query<'q, Server, PgArguments> {
    values.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, value| match value {
        Value::Null => query.bind(Nothing),
        Value::Integer(number) => query.bind(*number),
        Value::Number(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.clone()),
    })
}

/// A null of whatever type stands there.
struct Nothing;

impl sqlx::Type<Server> for Nothing {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UNKNOWN)
    }
}

impl Encode<'_, Server> for Nothing {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}

fn row(row: &PgRow) -> Result<Row, DatabaseError> {
    let values = row.columns().iter().enumerate().map(|(at, column)| {
        let value = match column.type_info().name() {
            "INT2" => row.try_get::<Option<i16>, _>(at).map(|number| number.map(i64::from).into()),
            "INT4" => row.try_get::<Option<i32>, _>(at).map(|number| number.map(i64::from).into()),
            "INT8" => row.try_get::<Option<i64>, _>(at).map(Value::from),
            "FLOAT4" => row.try_get::<Option<f32>, _>(at).map(|number| number.map(f64::from).into()),
            "FLOAT8" => row.try_get::<Option<f64>, _>(at).map(Value::from),
            "BOOL" => row.try_get::<Option<bool>, _>(at).map(|truth| truth.map(i64::from).into()),
            "TEXT" | "VARCHAR" | "CHAR" | "NAME" => row.try_get::<Option<String>, _>(at).map(Value::from),
            other => {
                let why = format!("column {}: cast {other} to text, bigint or double precision", column.name());
                return Err(DatabaseError::Refused(why));
            }
        };
        value.map_err(explain)
    });
    values.collect::<Result<_, _>>().map(Row)
}

fn explain(error: sqlx::Error) -> DatabaseError {
    let Some(answer) = error.as_database_error() else {
        return DatabaseError::Passing(error.to_string());
    };
    // Connections, resources, an operator's word, a conflict of transactions, a lock that was not had.
    let passing = ["08", "53", "57", "58", "40", "55"];
    match answer.code() {
        Some(code) if !passing.iter().any(|class| code.starts_with(class)) => {
            DatabaseError::Refused(answer.message().to_owned())
        }
        _ => DatabaseError::Passing(answer.message().to_owned()),
    }
}
