//! A database of a test's own.

use std::env;

use model::TaskId;
use rusqlite::types::ValueRef;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, ValueRef as _};
use tempfile::TempDir;

/// Where a test's tables are.
pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres { administrator: String, schema: String },
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().unwrap())
    }

    pub(crate) async fn postgres() -> Self {
        let administrator = env::var("BELLWIRE_TEST_DATABASE_URL")
            .expect("BELLWIRE_TEST_DATABASE_URL is not set: run `make test`, which starts a PostgreSQL");
        let schema = format!("test_{}", TaskId::new()).to_lowercase();
        let database = Self::Postgres { administrator, schema: schema.clone() };
        let mut connection = PgConnection::connect(database.administrator()).await.unwrap();
        connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
        database
    }

    fn administrator(&self) -> &str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres { administrator, .. } => administrator,
        }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// As `[database] url` has it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}/data/test.db", folder.path().display()),
            Self::Postgres { administrator, schema } => {
                let more = if administrator.contains('?') { '&' } else { '?' };
                format!("{administrator}{more}options[search_path]={schema}")
            }
        }
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    fn open(&self) -> rusqlite::Connection {
        let url = self.url();
        let path = url.strip_prefix("sqlite://").unwrap();
        std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
        rusqlite::Connection::open(path).unwrap()
    }

    /// Runs statements.
    pub(crate) async fn execute(&self, sql: &str) {
        if self.is_sqlite() {
            self.open().execute_batch(sql).unwrap();
        } else {
            self.connect().await.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
        }
    }

    /// The rows of a query as text: fields between `|`, nothing as `NULL`.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        let shown = |field: Option<String>| field.unwrap_or_else(|| "NULL".to_owned());
        let cells = self.cells(sql).await.into_iter();
        cells.map(|row| row.into_iter().map(shown).collect::<Vec<_>>().join("|")).collect()
    }

    /// The rows of a query, each field as text.
    pub(crate) async fn cells(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        if !self.is_sqlite() {
            let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.connect().await).await;
            return rows.unwrap().iter().map(fields).collect();
        }
        let connection = self.open();
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut all = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let field = |at: usize| match row.get_ref(at).unwrap() {
                ValueRef::Null => None,
                ValueRef::Integer(value) => Some(value.to_string()),
                ValueRef::Real(value) => Some(value.to_string()),
                ValueRef::Text(text) | ValueRef::Blob(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
            };
            all.push((0..columns).map(field).collect());
        }
        all
    }

    /// Whether a table is there.
    pub(crate) async fn has(&self, table: &str) -> bool {
        let sql = if self.is_sqlite() {
            format!("SELECT count(*) FROM sqlite_schema WHERE name = '{table}'")
        } else {
            format!(
                "SELECT count(*) FROM pg_class WHERE relname = '{table}' AND relnamespace = current_schema()::regnamespace"
            )
        };
        self.rows(&sql).await == ["1"]
    }

    pub(crate) async fn end(&self) {
        if let Self::Postgres { administrator, schema } = self {
            let mut connection = PgConnection::connect(administrator).await.unwrap();
            connection.execute(AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
        }
    }
}

fn fields(row: &sqlx::postgres::PgRow) -> Vec<Option<String>> {
    let field = |at: usize| {
        let value = row.try_get_raw(at).unwrap();
        if value.is_null() { None } else { Some(value.as_str().unwrap().to_owned()) }
    };
    (0..row.len()).map(field).collect()
}
