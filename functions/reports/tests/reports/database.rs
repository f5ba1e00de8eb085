//! A database of a test's own.

use std::env;

use model::TaskId;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

/// The database of one test.
pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres { admin_url: String, schema: String },
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let database = Self::Sqlite(TempDir::new().unwrap());
        // As an import leaves it.
        database.open().execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE made (n integer)").unwrap();
        database
    }

    pub(crate) async fn postgres() -> Self {
        let admin_url = env::var("BELLWIRE_TEST_DATABASE_URL")
            .expect("BELLWIRE_TEST_DATABASE_URL is not set: run `make test`, which starts a PostgreSQL");
        let schema = format!("test_{}", TaskId::new()).to_lowercase();
        let mut connection = PgConnection::connect(&admin_url).await.unwrap();
        connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
        Self::Postgres { admin_url, schema }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Its address for `[database] url`.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}/test.db", folder.path().display()),
            Self::Postgres { admin_url, schema } => {
                let more = if admin_url.contains('?') { '&' } else { '?' };
                format!("{admin_url}{more}options[search_path]={schema}")
            }
        }
    }

    fn open(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.url().strip_prefix("sqlite://").unwrap()).unwrap()
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// Runs statements.
    pub(crate) async fn execute(&self, sql: &str) {
        if self.is_sqlite() {
            self.open().execute_batch(sql).unwrap();
        } else {
            self.connect().await.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
        }
    }

    /// The number of rows of a table.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        match self.is_sqlite() {
            true => self.open().query_row(&sql, [], |row| row.get(0)).unwrap(),
            false => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.connect().await).await.unwrap(),
        }
    }

    pub(crate) async fn remove(self) {
        if let Self::Postgres { admin_url, schema } = self {
            let mut connection = PgConnection::connect(&admin_url).await.unwrap();
            connection.execute(AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
        }
    }
}
