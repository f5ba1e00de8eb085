//! SQLite: a file, opened for each piece of work.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use rusqlite::{
    Connection, ErrorCode, TransactionBehavior, params_from_iter,
    types::{ToSql, ToSqlOutput, ValueRef},
};
use tokio::sync::Mutex;

use super::{DatabaseError, OpenError, Row, Transaction, Value};
use crate::thread;

/// How long another process may write before we come again later.
const PATIENCE: Duration = Duration::from_secs(10);

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
    turn: Arc<Mutex<()>>,
    /// SQLite does not wait when two make a new file's journal at once.
    opening: Arc<std::sync::Mutex<()>>,
}

impl Sqlite {
    pub(super) fn open(path: &str) -> Result<Self, OpenError> {
        if path.is_empty() || path.ends_with('/') || path.contains('?') {
            return Err(OpenError("write sqlite://PATH or sqlite:///PATH, the path of a file".to_owned()));
        }
        Ok(Self { path: path.into(), turn: Arc::default(), opening: Arc::default() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The right to write to it within this process; held by who writes for longer than a moment.
    pub fn turn(&self) -> Arc<Mutex<()>> {
        self.turn.clone()
    }

    /// A connection of one's own that may write; for a thread that may wait.
    pub fn connect(&self) -> Result<Connection, DatabaseError> {
        // What it guards is in the file: a panic elsewhere has not harmed it.
        let _alone = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|error| {
                DatabaseError::Passing(format!("the folder of the file cannot be made: {}", error.kind()))
            })?;
        }
        let connection = Connection::open(&self.path).map_err(explain)?;
        connection.busy_timeout(PATIENCE).map_err(explain)?;
        connection.execute_batch(SETTINGS).map_err(explain)?;
        Ok(connection)
    }

    pub(super) async fn transaction<T: Send + 'static, E: From<DatabaseError> + Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let turn = self.turn.clone().lock_owned().await;
        let sqlite = self.clone();
        let work = move || {
            let _turn = turn;
            let mut connection = sqlite.connect()?;
            let mut transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explain)?;
            let done = work(&mut transaction)?;
            transaction.commit().map_err(explain)?;
            Ok(done)
        };
        thread::run(move || Ok::<_, DatabaseError>(work())).await?
    }
}

impl Transaction for rusqlite::Transaction<'_> {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DatabaseError> {
        let changed = Connection::execute(self, sql, params_from_iter(values)).map_err(explain)?;
        Ok(changed as u64)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DatabaseError> {
        let mut statement = self.prepare(sql).map_err(explain)?;
        let columns = statement.column_count();
        let mut found = statement.query(params_from_iter(values)).map_err(explain)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(explain)? {
            let values = (0..columns).map(|at| row.get_ref(at).map(value).map_err(explain));
            rows.push(Row(values.collect::<Result<_, _>>()?));
        }
        Ok(rows)
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

fn explain(error: rusqlite::Error) -> DatabaseError {
    let passing = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::CannotOpen
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
        )
    );
    match passing {
        true => DatabaseError::Passing(error.to_string()),
        false => DatabaseError::Refused(error.to_string()),
    }
}
