//! Reads a query's rows from SQLite on a blocking thread.

use std::time::Instant;

use runtime::{DatabaseError, Failure, database::Sqlite, definitions::line_of, thread};
use rusqlite::{
    Connection, ErrorCode, Statement,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
    types::ValueRef,
};

use super::{
    batch::{Message, RowBatch, TextKind},
    bound_report::BoundValue,
    moment::{Moment, parse_date},
    run::QueryRun,
};

/// Instructions of SQLite between two looks at the clock; far below a millisecond.
const PROGRESS_INSTRUCTIONS: i32 = 4096;
const MAX_VALUE_BYTES: i32 = 16 * 1024 * 1024;

pub(super) async fn run(database: Sqlite, run: QueryRun) -> Result<(), Failure> {
    thread::run(move || read(&database, &run)).await
}

fn read(database: &Sqlite, run: &QueryRun) -> Result<(), Failure> {
    if !database.path().exists() {
        let message = "There is nothing to report yet: the database's file is not there.".to_owned();
        return Err(Failure::Permanent { reason: "database", message });
    }
    let deadline = Instant::now() + run.timeout;
    let failed = |error| failure(error, run, (0, deadline));
    let connection = connect(database, run, deadline).map_err(failed)?;
    for sheet in 0..run.report.values.len() {
        stream(&connection, run, (sheet, deadline))?;
    }
    run.rows.blocking_send(Message::End).map_err(|_| Failure::Stopped)
}

/// Opens a connection that cannot write: by its mode, by a pragma and by what a query is authorized to do.
fn connect(database: &Sqlite, run: &QueryRun, deadline: Instant) -> rusqlite::Result<Connection> {
    let mut connection = database.connect_read_only()?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    // All queries of a report see the same rows.
    connection.execute_batch("BEGIN")?;
    connection.authorizer(Some(authorize))?;
    let stop = run.stop.clone();
    let is_over = move || stop.is_cancelled() || Instant::now() > deadline;
    connection.progress_handler(PROGRESS_INSTRUCTIONS, Some(is_over))?;
    Ok(connection)
}

fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if function_name != "load_extension" => Authorization::Allow,
        _ => Authorization::Deny,
    }
}

/// Sends the rows of one sheet's query.
fn stream(connection: &Connection, run: &QueryRun, (sheet, deadline): (usize, Instant)) -> Result<(), Failure> {
    let send = |message| run.rows.blocking_send(message).map_err(|_| Failure::Stopped);
    let failed = |error| failure(error, run, (sheet, deadline));
    let values = &run.report.values[sheet];
    let sql = run.report.definition.sheets[sheet].sql.with_placeholders(|index| format!("?{}", index + 1));
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    check(&statement, values).map_err(|reason| run.refused(sheet, None, reason))?;
    bind(&mut statement, values).map_err(failed)?;
    let is_boolean =
        |declared: Option<&str>| declared.is_some_and(|name| name.to_ascii_uppercase().starts_with("BOOL"));
    let booleans: Vec<bool> = statement.columns().map(|column| is_boolean(column.decl_type())).collect();
    send(Message::Columns(statement.column_names().map(str::to_owned).collect()))?;
    let mut rows = statement.raw_query();
    let mut batch = RowBatch::new(booleans.len());
    while let Some(row) = rows.next().map_err(failed)? {
        for (index, is_boolean) in booleans.iter().enumerate() {
            push(&mut batch, row.get_ref(index).map_err(failed)?, *is_boolean);
        }
        if batch.is_full() {
            send(Message::Rows(batch.take()))?;
        }
    }
    if !batch.is_empty() {
        send(Message::Rows(batch))?;
    }
    Ok(())
}

fn check(statement: &Statement<'_>, values: &[BoundValue]) -> Result<(), &'static str> {
    if !statement.readonly() {
        return Err("a report only reads");
    }
    match statement.parameter_count() == values.len() {
        true => Ok(()),
        false => Err("it has a parameter that is not written as :name"),
    }
}

fn bind(statement: &mut Statement<'_>, values: &[BoundValue]) -> rusqlite::Result<()> {
    for (value, index) in values.iter().zip(1..) {
        match value {
            BoundValue::Text(text) | BoundValue::Date(text) => statement.raw_bind_parameter(index, text)?,
            BoundValue::Integer(number) => statement.raw_bind_parameter(index, number)?,
            BoundValue::Number(number) => statement.raw_bind_parameter(index, number)?,
            BoundValue::Boolean(boolean) => statement.raw_bind_parameter(index, boolean)?,
        }
    }
    Ok(())
}

fn push(batch: &mut RowBatch, value: ValueRef<'_>, is_boolean: bool) {
    match value {
        ValueRef::Null => batch.push_null(),
        ValueRef::Integer(bit @ (0 | 1)) if is_boolean => batch.push_boolean(bit == 1),
        ValueRef::Integer(number) => batch.push_integer(number),
        ValueRef::Real(number) => batch.push_real(number),
        ValueRef::Text(text) => {
            let text = String::from_utf8_lossy(text);
            batch.push_text(text_kind(&text), &text);
        }
        ValueRef::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            batch.push_text(TextKind::Text, &format!("\\x{hex}"));
        }
    }
}

/// SQLite has no type for days and times: a text that is written as one, and nothing besides, is one.
fn text_kind(text: &str) -> TextKind {
    match text.len() {
        10 if parse_date(text).is_some() => TextKind::Date,
        16..=35 if Moment::parse(text).is_some() => TextKind::Timestamp,
        _ => TextKind::Text,
    }
}

fn failure(error: rusqlite::Error, run: &QueryRun, (sheet, deadline): (usize, Instant)) -> Failure {
    if let rusqlite::Error::SqlInputError { msg, sql, offset, .. } = &error {
        let line = usize::try_from(*offset).ok().map(|offset| line_of(sql, offset));
        return run.refused(sheet, line, msg);
    }
    let code = error.sqlite_error_code();
    match (code, DatabaseError::from(error)) {
        (Some(ErrorCode::OperationInterrupted), _) if run.stop.is_cancelled() => Failure::Stopped,
        (Some(ErrorCode::OperationInterrupted), _) if Instant::now() > deadline => run.timed_out(),
        (Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly), DatabaseError::Refused(text)) => {
            run.refused(sheet, None, &format!("a report only reads ({text})"))
        }
        (_, DatabaseError::Refused(text)) => run.refused(sheet, None, &text),
        (_, error) => error.into(),
    }
}
