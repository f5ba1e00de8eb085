//! The database that workers write to, of a test's own.

use model::TaskId;
use runtime::{
    Database, DatabaseConfig, DatabaseError,
    database::{Transaction, Value},
};
use scenarios::NetworkProxy;
use tempfile::TempDir;
use url::Url;

use crate::ledger::TABLE;

/// A database with an empty ledger.
pub(crate) enum Books {
    Sqlite(TempDir),
    Postgres { administrator: Url, schema: String },
}

impl Books {
    pub(crate) async fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap()).with_a_ledger().await
    }

    pub(crate) async fn postgres() -> Self {
        let url = std::env::var("BELLWIRE_TEST_DATABASE_URL").expect("run `make test`, which starts a PostgreSQL");
        let schema = format!("test_{}", TaskId::new()).to_lowercase();
        let books = Self::Postgres { administrator: url.parse().unwrap(), schema };
        books.in_the_whole("CREATE SCHEMA").await;
        books.with_a_ledger().await
    }

    async fn with_a_ledger(self) -> Self {
        self.execute(TABLE).await;
        self
    }

    /// As `[database] url` has it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}/ledger.db", folder.path().display()),
            Self::Postgres { administrator, schema } => within(administrator, schema),
        }
    }

    /// The same, seen through a network that can be cut.
    pub(crate) async fn behind_a_proxy(&self, is_open: bool) -> (String, NetworkProxy) {
        let Self::Postgres { administrator, schema } = self else { panic!("there is no network to a file") };
        let mut url = administrator.clone();
        let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let proxy = NetworkProxy::to(target, is_open).await;
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(proxy.address.port())).unwrap();
        (within(&url, schema), proxy)
    }

    /// Runs a statement.
    pub(crate) async fn execute(&self, sql: &'static str) {
        let run = move |transaction: &mut dyn Transaction| transaction.execute(sql, &[]);
        open(&self.url()).transaction::<_, DatabaseError>(run).await.unwrap();
    }

    /// The attempts that wrote a row for a task.
    pub(crate) async fn rows(&self, task: TaskId) -> Vec<i64> {
        let read = move |transaction: &mut dyn Transaction| {
            let task = Value::from(task.to_string());
            transaction.query("SELECT attempt FROM ledger WHERE task = $1", &[task])
        };
        let rows = open(&self.url()).transaction::<_, DatabaseError>(read).await.unwrap();
        rows.iter().map(|row| row.integer(0).unwrap()).collect()
    }

    /// Whether a commit takes its time now, as PostgreSQL sees it.
    pub(crate) async fn is_committing(&self) -> bool {
        let read = |transaction: &mut dyn Transaction| {
            // What a deferred trigger does is done by the commit.
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'";
            transaction.query(sql, &[])
        };
        let rows = open(&self.url()).transaction::<_, DatabaseError>(read).await.unwrap();
        rows[0].integer(0) != Some(0)
    }

    /// Leaves nothing behind.
    pub(crate) async fn end(self) {
        self.in_the_whole("DROP SCHEMA").await;
    }

    async fn in_the_whole(&self, words: &str) {
        if let Self::Postgres { administrator, schema } = self {
            let cascade = if words.starts_with("DROP") { " CASCADE" } else { "" };
            let sql = format!("{words} {schema}{cascade}");
            let run = move |transaction: &mut dyn Transaction| transaction.execute(&sql, &[]);
            open(administrator.as_str()).transaction::<_, DatabaseError>(run).await.unwrap();
        }
    }
}

fn within(url: &Url, schema: &str) -> String {
    let more = if url.query().is_some() { '&' } else { '?' };
    format!("{url}{more}options[search_path]={schema}")
}

pub(crate) fn open(url: &str) -> Database {
    Database::open(&DatabaseConfig { url: url.to_owned() }).unwrap()
}
