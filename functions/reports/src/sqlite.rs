//! A query's rows from SQLite, stepped on a thread that may wait.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use runtime::{Failure, thread};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, Statement,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
    types::ValueRef,
};

use crate::{
    broken::Broken,
    database::{Reading, line_of},
    parameter::Bound,
    row::{Batch, Message, TextKind},
};

/// How long another process may hold the file alone.
const PATIENCE: Duration = Duration::from_secs(10);
/// Steps of SQLite's machine between two looks at the clock; far below a millisecond.
const STEPS: i32 = 4096;
/// Most bytes of one value.
const LARGEST_VALUE: i32 = 16 * 1024 * 1024;

/// A database in a file.
pub(crate) struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    pub(crate) fn open(path: &str) -> Result<Self, String> {
        if path.is_empty() || path.ends_with('/') || path.contains('?') {
            return Err("write sqlite://PATH or sqlite:///PATH, the path of a file".to_owned());
        }
        Ok(Self { path: path.into() })
    }

    pub(crate) async fn read(&self, reading: Reading) -> Result<(), Broken> {
        let path = self.path.clone();
        thread::run(move || read(&path, &reading)).await
    }
}

fn read(path: &Path, reading: &Reading) -> Result<(), Broken> {
    if !path.exists() {
        let message = "There is nothing to report yet: the database's file is not there.".to_owned();
        return Err(Failure::Permanent { reason: "database", message }.into());
    }
    let until = Instant::now() + reading.timeout;
    let sql = reading.query.sql.with_placeholders(|place| format!("?{}", place + 1));
    let connection = connect(path, reading, until).map_err(|error| explain(&error, reading, until))?;
    let ended = stream(&connection, reading, &sql);
    ended.map_err(|ended| match ended {
        Ended::Sqlite(error) => explain(&error, reading, until).into(),
        Ended::Broken(broken) => broken,
    })
}

/// A connection that cannot write: not by its mode, not by its own word, and not by what it lets a query do.
fn connect(path: &Path, reading: &Reading, until: Instant) -> rusqlite::Result<Connection> {
    let mut connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LARGEST_VALUE)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.authorizer(Some(authorize))?;
    let stop = reading.stop.clone();
    connection.progress_handler(STEPS, Some(move || stop.is_cancelled() || Instant::now() > until))?;
    Ok(connection)
}

fn authorize(asked: AuthContext<'_>) -> Authorization {
    match asked.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if function_name != "load_extension" => Authorization::Allow,
        _ => Authorization::Deny,
    }
}

enum Ended {
    Sqlite(rusqlite::Error),
    Broken(Broken),
}

impl From<rusqlite::Error> for Ended {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn stream(connection: &Connection, reading: &Reading, sql: &str) -> Result<(), Ended> {
    let say = |message| reading.rows.blocking_send(message).map_err(|_| Ended::Broken(Broken::Cut));
    let mut statement = connection.prepare(sql)?;
    check(&statement, reading).map_err(|why| Ended::Broken(reading.refused(None, why).into()))?;
    bind(&mut statement, &reading.query.values)?;
    let is_boolean =
        |declared: Option<&str>| declared.is_some_and(|kind| kind.to_ascii_uppercase().starts_with("BOOL"));
    let booleans: Vec<bool> = statement.columns().map(|column| is_boolean(column.decl_type())).collect();
    say(Message::Columns(statement.column_names().map(str::to_owned).collect()))?;
    let mut rows = statement.raw_query();
    let mut batch = Batch::new(booleans.len());
    while let Some(row) = rows.next()? {
        for (at, is_boolean) in booleans.iter().enumerate() {
            push(&mut batch, row.get_ref(at)?, *is_boolean);
        }
        if batch.is_full() {
            say(Message::Rows(std::mem::replace(&mut batch, Batch::new(booleans.len()))))?;
        }
    }
    if !batch.is_empty() {
        say(Message::Rows(batch))?;
    }
    say(Message::End)
}

fn check(statement: &Statement<'_>, reading: &Reading) -> Result<(), &'static str> {
    if !statement.readonly() {
        return Err("a report only reads");
    }
    match statement.parameter_count() == reading.query.values.len() {
        true => Ok(()),
        false => Err("it has a parameter that is not written as :name"),
    }
}

fn bind(statement: &mut Statement<'_>, values: &[Bound]) -> rusqlite::Result<()> {
    for (place, value) in values.iter().enumerate() {
        match value {
            Bound::Text(text) | Bound::Date(text) => statement.raw_bind_parameter(place + 1, text)?,
            Bound::Integer(number) => statement.raw_bind_parameter(place + 1, number)?,
            Bound::Number(number) => statement.raw_bind_parameter(place + 1, number)?,
            Bound::Boolean(truth) => statement.raw_bind_parameter(place + 1, truth)?,
        }
    }
    Ok(())
}

fn push(batch: &mut Batch, value: ValueRef<'_>, is_boolean: bool) {
    match value {
        ValueRef::Null => batch.push_null(),
        ValueRef::Integer(truth @ (0 | 1)) if is_boolean => batch.push_boolean(truth == 1),
        ValueRef::Integer(number) => batch.push_integer(number),
        ValueRef::Real(number) => batch.push_real(number),
        ValueRef::Text(text) => batch.push_text(kind(text), &String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => {
            let shown: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            batch.push_text(TextKind::Text, &format!("\\x{shown}"));
        }
    }
}

/// SQLite has no type for days and times: a text that is written as one is one.
fn kind(text: &[u8]) -> TextKind {
    let is_shaped = |text: &[u8], shape: &[u8]| {
        text.len() >= shape.len()
            && shape.iter().zip(text).all(|(shape, byte)| match shape {
                b'0' => byte.is_ascii_digit(),
                b' ' => matches!(byte, b' ' | b'T'),
                other => byte == other,
            })
    };
    match text.len() {
        10 if is_shaped(text, b"0000-00-00") => TextKind::Date,
        16..=35 if is_shaped(text, b"0000-00-00 00:00") => TextKind::Timestamp,
        _ => TextKind::Text,
    }
}

fn explain(error: &rusqlite::Error, reading: &Reading, until: Instant) -> Failure {
    if let rusqlite::Error::SqlInputError { msg, sql, offset, .. } = error {
        let line = usize::try_from(*offset).ok().map(|offset| line_of(sql, offset));
        return reading.refused(line, msg);
    }
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) if reading.stop.is_cancelled() => Failure::Stopped,
        Some(ErrorCode::OperationInterrupted) if Instant::now() > until => reading.too_long(),
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory,
        ) => Failure::passing("The database cannot be used now.", anyhow::anyhow!(text)),
        Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly) => {
            reading.refused(None, &format!("a report only reads ({text})"))
        }
        _ => reading.refused(None, &text),
    }
}
