//! PostgreSQL: a pool of connections; a piece of work holds one on a thread of its own.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, Column, Connection, Executor, PgConnection, PgPool, PgTransaction, Postgres as Server, Row as _,
    TypeInfo,
    encode::{Encode, IsNull},
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgPoolOptions, PgRow, PgTypeInfo, types::Oid},
    query::Query,
};
use tokio::{runtime::Handle, time::timeout};

use crate::{
    database::{
        address,
        error::DatabaseError,
        tables::Tables,
        transaction::{Dialect, Transaction},
        value::{Row, Value},
    },
    thread,
};

/// The most connections of one process.
const MAX_CONNECTIONS: u32 = 8;
/// The time limit of connecting, and of waiting for a free connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The type of a value whose type the statement decides.
const UNKNOWN: Oid = Oid(705);

/// A database on a server, in the current schema; cheap to clone.
#[derive(Clone)]
pub struct Postgres {
    pool: PgPool,
    /// The names of tables that were found or created: they are looked for once, and again after a failure.
    known: Arc<Mutex<HashSet<&'static [&'static str]>>>,
}

impl Postgres {
    pub(super) fn open(setting: &str, url: &str, application: &str) -> Result<Self, &'static str> {
        let options = address::read(setting, url)?;
        let pool = PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(CONNECT_TIMEOUT);
        let pool = pool.connect_lazy_with(options.application_name(application));
        Ok(Self { pool, known: Arc::default() })
    }

    /// The connections, for work that [`Transaction`] cannot do.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection outside the pool, for work that may have to be cut off.
    pub async fn connect(&self) -> Result<PgConnection, DatabaseError> {
        let options = self.pool.connect_options();
        match timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await {
            Ok(connected) => Ok(connected?),
            Err(elapsed) => Err(DatabaseError::Passing(elapsed.to_string())),
        }
    }

    /// Begins a transaction that can only read, each of whose statements may take so long.
    pub async fn begin_read_only(connection: &mut PgConnection, limit: Duration) -> sqlx::Result<()> {
        // PostgreSQL has this from version 14 on.
        let _ = connection.execute("SET client_connection_check_interval = '2s'").await;
        let milliseconds = limit.as_millis();
        let begin = format!(
            "BEGIN READ ONLY; SET LOCAL statement_timeout = {milliseconds}; SET LOCAL lock_timeout = {milliseconds}; \
             SET LOCAL standard_conforming_strings = on"
        );
        connection.execute(AssertSqlSafe(begin)).await.map(drop)
    }

    /// Runs `work` in a transaction, once the tables exist.
    pub(super) async fn transaction<T: Send + 'static, E: From<DatabaseError> + Send + 'static>(
        &self,
        tables: Option<&'static Tables>,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let transaction = self.begin(tables).await?;
        let runtime = Handle::current();
        let work = move || {
            let mut transaction = BlockingTransaction { transaction, runtime };
            let done = work(&mut transaction)?;
            let BlockingTransaction { transaction, runtime } = transaction;
            runtime.block_on(transaction.commit()).map_err(DatabaseError::from)?;
            Ok(done)
        };
        let done = thread::run(move || Ok::<_, DatabaseError>(work())).await?;
        if let (Err(_), Some(tables)) = (&done, tables) {
            // It may have failed because one was dropped.
            self.known().remove(tables.names);
        }
        done
    }

    fn known(&self) -> MutexGuard<'_, HashSet<&'static [&'static str]>> {
        // A panic elsewhere has not harmed a set of names.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn begin(&self, tables: Option<&'static Tables>) -> Result<PgTransaction<'static>, DatabaseError> {
        let mut transaction = self.pool.begin().await?;
        let Some(tables) = tables else {
            return Ok(transaction);
        };
        if self.known().contains(tables.names) {
            return Ok(transaction);
        }
        if tables.exist_in_postgres(&mut transaction).await? {
            self.known().insert(tables.names);
            return Ok(transaction);
        }
        // Not in this transaction: others would wait for its end.
        transaction.rollback().await?;
        let mut connection = self.pool.acquire().await?;
        tables.create_in_postgres(&mut connection).await?;
        drop(connection);
        self.known().insert(tables.names);
        Ok(self.pool.begin().await?)
    }
}

/// A transaction whose user waits for each statement.
struct BlockingTransaction {
    transaction: PgTransaction<'static>,
    runtime: Handle,
}

impl Transaction for BlockingTransaction {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DatabaseError> {
        let done = self.runtime.block_on(self.transaction.execute(bound(sql, values)))?;
        Ok(done.rows_affected())
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DatabaseError> {
        let rows = self.runtime.block_on(self.transaction.fetch_all(bound(sql, values)))?;
        rows.iter().map(row).collect()
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }
}

fn bound<'q>(sql: &'q str, values: &[Value]) -> Query<'q, Server, PgArguments> {
    values.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, value| match value {
        Value::Null => query.bind(Null),
        Value::Integer(number) => query.bind(*number),
        Value::Number(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.clone()),
    })
}

/// A null of any type.
struct Null;

impl sqlx::Type<Server> for Null {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UNKNOWN)
    }
}

impl Encode<'_, Server> for Null {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}

fn row(row: &PgRow) -> Result<Row, DatabaseError> {
    let values = row.columns().iter().enumerate().map(|(index, column)| {
        let value = match column.type_info().name() {
            "INT2" => row.try_get::<Option<i16>, _>(index).map(|number| number.map(i64::from).into()),
            "INT4" => row.try_get::<Option<i32>, _>(index).map(|number| number.map(i64::from).into()),
            "INT8" => row.try_get::<Option<i64>, _>(index).map(Value::from),
            "FLOAT4" => row.try_get::<Option<f32>, _>(index).map(|number| number.map(f64::from).into()),
            "FLOAT8" => row.try_get::<Option<f64>, _>(index).map(Value::from),
            "BOOL" => row.try_get::<Option<bool>, _>(index).map(|boolean| boolean.map(i64::from).into()),
            "TEXT" | "VARCHAR" | "CHAR" | "NAME" => row.try_get::<Option<String>, _>(index).map(Value::from),
            other => {
                let reason = format!("column {}: cast {other} to text, bigint or double precision", column.name());
                return Err(DatabaseError::Refused(reason));
            }
        };
        value.map_err(DatabaseError::from)
    });
    values.collect::<Result<_, _>>().map(Row)
}
