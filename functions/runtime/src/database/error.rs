//! Errors of both databases: whether the same work may succeed later.

use rusqlite::{ErrorCode, ffi};
use sqlx::postgres::PgDatabaseError;

use crate::{failure::Failure, thread::ShutDown};

/// An error of a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// It is away or busy: the same work may succeed later.
    #[error("the database cannot be used now: {0}")]
    Passing(String),
    /// Its disk is full: the same work may succeed later.
    #[error("the disk of the database is full: {0}")]
    Full(String),
    /// The same work will not succeed later either, such as SQL with a wrong syntax.
    #[error("the database refused: {0}")]
    Refused(String),
}

/// Tells an error of SQLite that may pass from a permanent one, by its code:
///
/// | code | may pass |
/// |---|---|
/// | `BUSY`, `LOCKED`, `PROTOCOL` (others use the file) | yes |
/// | `FULL`, `IOERR`, `NOMEM` | yes |
/// | `CANTOPEN` (the disk may be away), `READONLY_DBMOVED` (the file was replaced) | yes |
/// | `INTERRUPT` (somebody stopped the statement), `SCHEMA` (another connection changed it) | yes |
/// | `CONSTRAINT`, `MISMATCH`, `TOOBIG`, `RANGE`, `ERROR` (syntax, missing table) | no |
/// | `READONLY`, `PERM`, `AUTH` | no |
/// | `CORRUPT`, `NOTADB`, `FORMAT`, `NOLFS`, `EMPTY`, `NOTFOUND` | no |
/// | `INTERNAL`, `MISUSE`, `ABORT`, and errors that are not SQLite's own | no |
pub fn passes_in_sqlite(error: &rusqlite::Error) -> bool {
    let Some(ffi::Error { code, extended_code }) = error.sqlite_error() else {
        return false;
    };
    matches!(
        code,
        ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory
            | ErrorCode::CannotOpen
            | ErrorCode::OperationInterrupted
            | ErrorCode::SchemaChanged
    ) || *extended_code == ffi::SQLITE_READONLY_DBMOVED
}

/// Tells an error of PostgreSQL that may pass from a permanent one: that of a connection passes (not reached, lost, none
/// free in time), and that of the server by its SQLSTATE, see [`sqlstate_passes`].
pub fn passes_in_postgres(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(answer) => answer.code().is_none_or(|code| sqlstate_passes(&code)),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// Tells a SQLSTATE that may pass from a permanent one:
///
/// | SQLSTATE | may pass |
/// |---|---|
/// | 08 connection | yes |
/// | 40 rollback: serialization, deadlock | yes, but 40002 (a constraint) |
/// | 53 resources: full disk, no memory, too many connections | yes, but 53400 (a configured limit) |
/// | 55 state of an object: in use, lock not available | yes, but 55000, 55P02 and 55P04 |
/// | 57 operator: cancelled, shutting down, starting up, crashed | yes, but 57P04 (the database was dropped) |
/// | 58 system: input and output | yes, but 58P01 … (a file is missing, there twice, or has too long a name) |
/// | 25P03, 25P04 the transaction took too long | yes |
/// | 72000 the snapshot is too old | yes |
/// | 22 data, 23 constraint, 42 syntax, names, types and permission, 54 limits, 0A not supported | no |
/// | 28 login refused, 3D database missing, 3F schema missing, 25006 read only | no |
/// | XX internal, data corrupted, and all others | no |
///
/// 55000, an object that is not in the state for it, is what a table without a replica identity answers that publishes
/// deletes, and a sequence that was not used yet: somebody must change it.
pub fn sqlstate_passes(code: &str) -> bool {
    match code {
        "40002" | "53400" | "55000" | "55P02" | "55P04" | "57P04" => false,
        code if code.starts_with("58P") => false,
        "25P03" | "25P04" | "72000" => true,
        _ => ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class)),
    }
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(text),
            _ if passes_in_sqlite(&error) => Self::Passing(text),
            _ => Self::Refused(text),
        }
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        let answer = error.as_database_error();
        let mut text = answer.map_or_else(|| error.to_string(), |answer| answer.message().to_owned());
        // How to put it right, in the server's own words: which right is missing, which column was meant.
        if let Some(hint) = answer.and_then(|answer| answer.try_downcast_ref::<PgDatabaseError>()?.hint()) {
            text = format!("{text}; {}", hint.trim_end_matches('.'));
        }
        // What rustls takes from nobody, although the certificate is otherwise not looked at.
        if text.contains("UnsupportedCertVersion") {
            text +=
                "; give the server a certificate of X.509 version 3, or write sslmode=disable, which is without TLS";
        }
        match answer.and_then(|answer| answer.code()).as_deref() {
            Some("53100") => Self::Full(text),
            _ if passes_in_postgres(&error) => Self::Passing(text),
            _ => Self::Refused(text),
        }
    }
}

impl From<ShutDown> for DatabaseError {
    fn from(shut_down: ShutDown) -> Self {
        Self::Passing(shut_down.to_string())
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Passing(_) => Self::passing("The database cannot be used now.", error),
            DatabaseError::Full(_) => Self::passing("The disk of the database is full.", error),
            DatabaseError::Refused(_) => Self::Permanent { reason: "database", message: error.to_string() },
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_of_sqlite_passes_or_not() {
        for (code, passes) in [
            (ffi::SQLITE_ERROR, false),
            (ffi::SQLITE_INTERNAL, false),
            (ffi::SQLITE_PERM, false),
            (ffi::SQLITE_ABORT, false),
            (ffi::SQLITE_BUSY, true),
            (ffi::SQLITE_BUSY_SNAPSHOT, true),
            (ffi::SQLITE_LOCKED, true),
            (ffi::SQLITE_LOCKED_SHAREDCACHE, true),
            (ffi::SQLITE_NOMEM, true),
            (ffi::SQLITE_READONLY, false),
            (ffi::SQLITE_READONLY_DIRECTORY, false),
            (ffi::SQLITE_READONLY_DBMOVED, true),
            (ffi::SQLITE_INTERRUPT, true),
            (ffi::SQLITE_IOERR, true),
            (ffi::SQLITE_IOERR_FSYNC, true),
            (ffi::SQLITE_CORRUPT, false),
            (ffi::SQLITE_NOTFOUND, false),
            (ffi::SQLITE_FULL, true),
            (ffi::SQLITE_CANTOPEN, true),
            (ffi::SQLITE_PROTOCOL, true),
            (ffi::SQLITE_EMPTY, false),
            (ffi::SQLITE_SCHEMA, true),
            (ffi::SQLITE_TOOBIG, false),
            (ffi::SQLITE_CONSTRAINT, false),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, false),
            (ffi::SQLITE_MISMATCH, false),
            (ffi::SQLITE_MISUSE, false),
            (ffi::SQLITE_NOLFS, false),
            (ffi::SQLITE_AUTH, false),
            (ffi::SQLITE_FORMAT, false),
            (ffi::SQLITE_RANGE, false),
            (ffi::SQLITE_NOTADB, false),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(passes_in_sqlite(&error), passes, "{code}: {error}");
        }
        assert!(!passes_in_sqlite(&rusqlite::Error::InvalidQuery));
    }

    #[test]
    fn each_sqlstate_passes_or_not() {
        for (codes, passes) in [
            ("08000 08001 08003 08004 08006 08007 08P01", true),
            ("40000 40001 40003 40P01 53000 53100 53200 53300", true),
            ("55006 55P03 57000 57014 57P01 57P02 57P03 57P05 58000 58030", true),
            ("25P03 25P04 72000", true),
            ("40002 53400 55000 55P02 55P04 57P04 58P01 58P02", false),
            ("22001 22003 22012 22P02 23502 23503 23505 23514 23P01", false),
            ("42501 428C9 42601 42703 42804 42883 42P01 42P07 54000 54001 0A000", false),
            ("28000 28P01 3D000 3F000 25001 25006 25P02 2BP01", false),
            ("XX000 XX001 XX002 P0001 F0000 0LP01", false),
        ] {
            for code in codes.split(' ') {
                assert_eq!(sqlstate_passes(code), passes, "{code}");
            }
        }
    }

    #[test]
    fn a_lost_connection_passes_and_a_wrong_use_does_not() {
        let cut = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(passes_in_postgres(&cut()) && passes_in_postgres(&sqlx::Error::PoolTimedOut));
        assert!(!passes_in_postgres(&sqlx::Error::RowNotFound));
        assert!(matches!(Failure::from(cut()), Failure::Passing { .. }));
        let too_old = "invalid peer certificate: Other(OtherError(UnsupportedCertVersion))";
        let too_old = DatabaseError::from(sqlx::Error::Io(std::io::Error::other(too_old)));
        assert!(matches!(&too_old, DatabaseError::Passing(text) if text.contains("sslmode=disable")), "{too_old:?}");
        let full = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None);
        let failure = Failure::from(full);
        assert!(matches!(&failure, Failure::Passing { message, .. } if message.contains("full")), "{failure:?}");
    }
}
