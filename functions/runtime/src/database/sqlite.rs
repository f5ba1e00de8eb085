//! SQLite: a file, opened for each piece of work.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use rusqlite::{
    Connection, OpenFlags, TransactionBehavior, params_from_iter,
    types::{ToSql, ToSqlOutput, ValueRef},
};
use tokio::sync::Mutex;

use crate::{
    database::{
        error::DatabaseError,
        tables::Tables,
        transaction::{Dialect, Transaction},
        value::{Row, Value},
    },
    thread,
};

/// The wait for another process that writes; after it the work fails and is tried again later.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA cache_size = -16384;";

/// A database in a file; cheap to clone.
#[derive(Clone)]
pub struct Sqlite {
    path: PathBuf,
    /// SQLite has one writer at a time: those of this process wait here, where waiting costs nothing.
    writer: Arc<Mutex<()>>,
    /// SQLite does not wait when two make a new file's journal at once.
    opening: Arc<std::sync::Mutex<()>>,
}

impl Sqlite {
    pub(super) fn open(path: &str) -> Result<Self, &'static str> {
        if path.is_empty() || path.ends_with('/') || path.contains('?') {
            return Err("write sqlite://PATH or sqlite:///PATH, the path of a file");
        }
        Ok(Self { path: path.into(), writer: Arc::default(), opening: Arc::default() })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The right to write to it within this process; locked by work that writes for longer than a moment.
    pub fn writer(&self) -> Arc<Mutex<()>> {
        self.writer.clone()
    }

    /// A new connection that may write; for a thread that may wait.
    pub fn connect(&self) -> Result<Connection, DatabaseError> {
        // It guards only the file: a panic elsewhere has not harmed it.
        let _alone = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|error| {
                DatabaseError::Passing(format!("the folder of the file cannot be made: {}", error.kind()))
            })?;
        }
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch(SETTINGS)?;
        Ok(connection)
    }

    /// A new connection that can only read, by its mode and by its own settings; for a thread that may wait.
    pub fn connect_read_only(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
        Ok(connection)
    }

    /// Runs `work` in a transaction, once the tables exist.
    pub(super) async fn transaction<T: Send + 'static, E: From<DatabaseError> + Send + 'static>(
        &self,
        tables: Option<&'static Tables>,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let writer = self.writer.clone().lock_owned().await;
        let sqlite = self.clone();
        let work = move || {
            let _writer = writer;
            let mut connection = sqlite.connect()?;
            if let Some(tables) = tables {
                tables.create_in_sqlite(&mut connection)?;
            }
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
            let mut transaction = transaction.map_err(DatabaseError::from)?;
            let done = work(&mut transaction)?;
            transaction.commit().map_err(DatabaseError::from)?;
            Ok(done)
        };
        thread::run(move || Ok::<_, DatabaseError>(work())).await?
    }
}

impl Transaction for rusqlite::Transaction<'_> {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DatabaseError> {
        Ok(Connection::execute(self, sql, params_from_iter(values))? as u64)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DatabaseError> {
        let mut statement = self.prepare(sql)?;
        let columns = statement.column_count();
        let mut found = statement.query(params_from_iter(values))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let values = (0..columns).map(|column| row.get_ref(column).map(value));
            rows.push(Row(values.collect::<Result<_, _>>()?));
        }
        Ok(rows)
    }

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Number(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Number(number),
        ValueRef::Text(text) | ValueRef::Blob(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
    }
}
