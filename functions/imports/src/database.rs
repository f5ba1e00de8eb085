//! Which database, and what all of them promise: an import is there whole and once, or not at all.

use backplane::TaskId;
use runtime::Failure;

use crate::{
    column::Column,
    config::DatabaseConfig,
    input::Mode,
    load::{Load, Loaded},
    outcome::Output,
    plan::Plan,
    postgres::Postgres,
    sqlite::Sqlite,
};

/// An address that is no database we know; it never holds the address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("database.url (BELLWIRE_DATABASE__URL): {0}")]
pub struct OpenError(pub(crate) String);

/// The database that tables are in.
pub(crate) enum Database {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database {
    /// Opens it; nothing is connected yet.
    pub(crate) fn open(config: &DatabaseConfig) -> Result<Self, OpenError> {
        let url = &config.url;
        match url.split_once("://") {
            Some(("sqlite", path)) => Sqlite::open(path).map(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => Postgres::open(url).map(Self::Postgres),
            _ => Err(OpenError("it is neither sqlite://PATH nor postgres://…".to_owned())),
        }
    }

    /// What an earlier run of this task came to, if one was whole.
    pub(crate) async fn recorded(&self, task: TaskId) -> Result<Option<Output>, Failure> {
        match self {
            Self::Sqlite(sqlite) => sqlite.recorded(task).await,
            Self::Postgres(postgres) => postgres.recorded(task).await,
        }
    }

    /// Loads a file whole and records it, in one transaction; `bringing` is the work that feeds its records.
    pub(crate) async fn load(&self, load: Load, bringing: impl Future<Output = ()>) -> Result<Loaded, Failure> {
        match self {
            Self::Sqlite(sqlite) => sqlite.load(load, bringing).await,
            Self::Postgres(postgres) => postgres.load(load, bringing).await,
        }
    }
}

/// What stands in the database under a table's name.
pub(crate) enum Standing {
    /// Nothing.
    Free,
    /// A table that no import made.
    Foreign,
    /// A table that an import made, with columns as they were then, and the names that it has now.
    Imported { made: Vec<Column>, now: Vec<String> },
}

/// Whether the table that is there is added to; otherwise it is made anew. The plan takes its types.
pub(crate) fn adds_to(standing: Standing, table: &str, mode: Mode, plan: &mut Plan) -> Result<bool, Failure> {
    let refused = |why: &str| {
        let message = format!("the table {table} {why}, so it was left alone; choose another name");
        Err(Failure::Permanent { reason: "table", message })
    };
    match standing {
        Standing::Free => Ok(false),
        Standing::Foreign => refused("is there already and no import made it"),
        Standing::Imported { made, now } if !made.iter().map(|column| &column.name).eq(&now) => {
            refused("was changed since an import made it")
        }
        Standing::Imported { made, .. } if mode == Mode::Append => plan.fit(table, &made).map(|()| true),
        Standing::Imported { .. } => Ok(false),
    }
}

/// A name as SQL writes it; the names here hold no quote, and would be safe if they did.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The names of columns as SQL writes them.
pub(crate) fn quoted_list(columns: &[Column]) -> String {
    columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
}

/// Ends an import whose file has more columns than a table can have.
pub(crate) fn check_width(plan: &Plan, most: usize, database: &str) -> Result<(), Failure> {
    match plan.columns.len() {
        has if has > most => {
            Err(Failure::input(format!("the file has {has} columns; a table of {database} has {most} at most")))
        }
        _ => Ok(()),
    }
}

/// What it was read as before is not what it is read as now.
pub(crate) fn unreadable(error: serde_json::Error) -> Failure {
    Failure::passing("the record of imports could not be read", error)
}
