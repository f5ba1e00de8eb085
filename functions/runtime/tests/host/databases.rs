//! Both databases: errors that pass and errors that do not, provoked; tables of our own; effects that come about once.

use std::{env, fs, net::TcpListener, path::Path, time::Duration};

use model::TaskId;
use runtime::{
    Database, DatabaseError,
    database::{Dialect, Postgres, Sqlite, Tables, passes_in_postgres, passes_in_sqlite},
};
use rusqlite::TransactionBehavior;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

pub(crate) fn open(url: &str) -> Database {
    Database::open_url("the test's url", url, "bellwire-test").unwrap()
}

fn sqlite(path: &Path) -> Sqlite {
    match open(&format!("sqlite://{}", path.display())) {
        Database::Sqlite(sqlite) => sqlite,
        Database::Postgres(_) => unreachable!("its address says SQLite"),
    }
}

fn postgres_url() -> String {
    env::var("BELLWIRE_TEST_DATABASE_URL")
        .expect("BELLWIRE_TEST_DATABASE_URL is not set: run `make test`, which starts a PostgreSQL")
}

fn postgres(url: &str) -> Postgres {
    match open(url) {
        Database::Postgres(postgres) => postgres,
        Database::Sqlite(_) => unreachable!("its address says PostgreSQL"),
    }
}

/// A schema of the test's own; the address of the database within it.
pub(crate) async fn schema() -> String {
    let (url, name) = (postgres_url(), format!("test_{}", TaskId::new()).to_lowercase());
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {name}"))).await.unwrap();
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options[search_path]={name}")
}

#[tokio::test]
async fn errors_of_sqlite_pass_or_not() {
    let folder = TempDir::new().unwrap();
    let database = sqlite(&folder.path().join("t.db"));
    let mut connection = database.connect().unwrap();
    connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").unwrap();
    let fails = |sql: &str, passes: bool| {
        let error = connection.execute_batch(sql).unwrap_err();
        assert_eq!(passes_in_sqlite(&error), passes, "{sql}: {error}");
    };
    fails("INSERT INTO t VALUES (1, 'a'), (1, 'b')", false);
    fails("INSERT INTO t VALUES (1, NULL)", false);
    fails("INSERT INTO missing VALUES (1)", false);
    fails("SELEC 1", false);

    let mut other = database.connect().unwrap();
    other.busy_timeout(Duration::ZERO).unwrap();
    let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let busy = other.transaction_with_behavior(TransactionBehavior::Immediate).map(drop).unwrap_err();
    assert!(passes_in_sqlite(&busy), "{busy}");
    drop(writing);

    let reader = database.connect_read_only().unwrap();
    let read_only = reader.execute_batch("INSERT INTO t VALUES (1, 'a')").unwrap_err();
    assert!(!passes_in_sqlite(&read_only), "{read_only}");

    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    connection.pragma_update(None, "max_page_count", pages).unwrap();
    let full = connection.execute_batch("INSERT INTO t VALUES (1, zeroblob(100000))").unwrap_err();
    assert!(matches!(DatabaseError::from(full), DatabaseError::Full(_)));
}

#[tokio::test]
async fn a_server_is_reached_by_its_address_of_ipv6() {
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let database = open(&postgres_url().replace("@127.0.0.1:", "@[::1]:"));
    let one = database.transaction(|sql| sql.query("SELECT 1", &[])).await.unwrap();
    assert_eq!(one[0].integer(0), Some(1));
}

#[tokio::test]
async fn a_file_that_is_no_database_never_passes_and_a_folder_that_is_away_does() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("t.db");
    fs::write(&path, "this is no database, and long enough to be seen as none".repeat(100)).unwrap();
    let error = sqlite(&path).connect().unwrap_err();
    assert!(matches!(error, DatabaseError::Refused(_)), "{error}");
    let error = sqlite(&path.join("below/t.db")).connect().unwrap_err();
    assert!(matches!(error, DatabaseError::Passing(_)), "{error}");
    let missing = sqlite(&folder.path().join("missing.db")).connect_read_only().unwrap_err();
    assert!(passes_in_sqlite(&missing), "{missing}");
}

#[tokio::test]
async fn errors_of_postgresql_pass_or_not() {
    let database = postgres(&schema().await);
    let mut one = database.connect().await.unwrap();
    let mut other = database.connect().await.unwrap();
    one.execute("CREATE TABLE t (id bigint PRIMARY KEY, text text NOT NULL)").await.unwrap();
    for (sql, passes) in [
        ("INSERT INTO t VALUES (1, 'a'), (1, 'b')", false),
        ("INSERT INTO t VALUES (1, NULL)", false),
        ("SELECT * FROM missing", false),
        ("SELEC 1", false),
        ("SELECT 1 / 0", false),
        ("SELECT 'x'::int", false),
        ("BEGIN READ ONLY; INSERT INTO t VALUES (1, 'a')", false),
        ("SET statement_timeout = 20; SELECT pg_sleep(10)", true),
        ("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(10)", true),
    ] {
        let mut connection = database.connect().await.unwrap();
        let error = connection.execute(sql).await.unwrap_err();
        assert_eq!(passes_in_postgres(&error), passes, "{sql}: {error}");
    }

    let mut locking = one.begin().await.unwrap();
    locking.execute("LOCK TABLE t").await.unwrap();
    let locked = other.execute("SET lock_timeout = 20; SELECT * FROM t").await.unwrap_err();
    assert!(passes_in_postgres(&locked), "{locked}");
    locking.rollback().await.unwrap();

    let terminated = other.execute("SELECT pg_terminate_backend(pg_backend_pid())").await.unwrap_err();
    assert!(passes_in_postgres(&terminated), "{terminated}");
    let lost = other.execute("SELECT 1").await.unwrap_err();
    assert!(passes_in_postgres(&lost), "{lost}");

    let mut reader = database.connect().await.unwrap();
    Postgres::begin_read_only(&mut reader, Duration::from_secs(10)).await.unwrap();
    let read_only = reader.execute("INSERT INTO t VALUES (1, 'a')").await.unwrap_err();
    assert!(!passes_in_postgres(&read_only), "{read_only}");
}

#[tokio::test]
async fn two_that_wait_for_each_other_pass() {
    let database = postgres(&schema().await);
    let (mut one, mut other) = (database.connect().await.unwrap(), database.connect().await.unwrap());
    one.execute("CREATE TABLE a (); CREATE TABLE b ()").await.unwrap();
    one.execute("SET deadlock_timeout = 20; BEGIN; LOCK TABLE a").await.unwrap();
    other.execute("SET deadlock_timeout = 20; BEGIN; LOCK TABLE b").await.unwrap();
    let (one, other) = tokio::join!(one.execute("LOCK TABLE b; COMMIT"), other.execute("LOCK TABLE a; COMMIT"));
    let deadlock = one.err().or(other.err()).unwrap();
    assert!(passes_in_postgres(&deadlock), "{deadlock}");
}

#[tokio::test]
async fn a_login_or_database_that_is_wrong_never_passes_and_a_server_that_is_away_does() {
    let url = postgres_url();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (login, server) = rest.split_once('@').unwrap();
    let user = login.split(':').next().unwrap();
    let (address, _) = server.split_once('/').unwrap();
    for (url, passes) in [
        (format!("{scheme}://{user}:wrong@{server}"), false),
        (format!("{scheme}://nobody:wrong@{server}"), false),
        (format!("{scheme}://{login}@{address}/missing"), false),
        (format!("{scheme}://{login}@127.0.0.1:1/postgres"), true),
    ] {
        let error = postgres(&url).connect().await.unwrap_err();
        assert_eq!(matches!(error, DatabaseError::Passing(_)), passes, "{error}");
    }
}

const TABLES: Tables = Tables {
    names: &["ours", "ours_too"],
    indexes: &[],
    sqlite: "CREATE TABLE IF NOT EXISTS ours (n INTEGER); CREATE TABLE IF NOT EXISTS ours_too (n INTEGER)",
    postgres: "CREATE TABLE IF NOT EXISTS ours (n bigint); CREATE TABLE IF NOT EXISTS ours_too (n bigint)",
};
/// The same of a later version.
const INDEXED: Tables = Tables::portable(
    &["ours"],
    &["ours_by_n"],
    "CREATE TABLE IF NOT EXISTS ours (n BIGINT); CREATE INDEX IF NOT EXISTS ours_by_n ON ours (n)",
);

async fn an_index_is_created_for_tables_that_were_there_before(url: &str) {
    let insert = "INSERT INTO ours VALUES (1)";
    let before = open(url);
    let before = before.transaction_with(&TABLES, |transaction| transaction.execute(insert, &[])).await;
    assert_eq!(before, Ok::<_, DatabaseError>(1));
    let drops = |transaction: &mut dyn runtime::database::Transaction| {
        transaction.execute(insert, &[])?;
        // Refused where there is none.
        transaction.execute("DROP INDEX ours_by_n", &[])
    };
    for _ in 0..2 {
        // As another process, which does not know that they are there.
        let dropped = open(url).transaction_with(&INDEXED, drops).await;
        assert!(dropped.is_ok(), "{dropped:?}");
    }
}

async fn tables_are_created_by_many_at_once(database: Database, dialect: Dialect) {
    let insert = || {
        database.transaction_with(&TABLES, move |transaction| {
            assert_eq!(transaction.dialect(), dialect);
            transaction.execute("INSERT INTO ours VALUES ($1)", &[1.into()])
        })
    };
    for inserted in futures_util::future::join_all((0..8).map(|_| insert())).await {
        assert_eq!(inserted, Ok::<_, DatabaseError>(1));
    }
    let drop = |transaction: &mut dyn runtime::database::Transaction| transaction.execute("DROP TABLE ours_too", &[]);
    database.transaction(drop).await.unwrap();
    assert_eq!(insert().await, Ok(1));
}

#[tokio::test]
async fn tables_of_postgresql_are_looked_for_once_and_again_after_a_failure() {
    let database = open(&schema().await);
    let insert = || {
        database.transaction_with(&TABLES, |transaction| transaction.execute("INSERT INTO ours_too VALUES (1)", &[]))
    };
    assert_eq!(insert().await, Ok::<_, DatabaseError>(1));
    let drop = |transaction: &mut dyn runtime::database::Transaction| transaction.execute("DROP TABLE ours_too", &[]);
    database.transaction(drop).await.unwrap();
    assert!(matches!(insert().await, Err(DatabaseError::Refused(_))), "it is not looked for each time");
    assert_eq!(insert().await, Ok(1), "what is missing is created again");
}

#[tokio::test]
async fn schemas_of_one_search_path_share_no_tables_of_ours() {
    let (one, other) = (schema().await, schema().await);
    let count = |database: Database| async move {
        let work = |transaction: &mut dyn runtime::database::Transaction| {
            transaction.execute("INSERT INTO ours VALUES (1)", &[])?;
            transaction.query("SELECT count(*) FROM ours", &[])
        };
        database.transaction_with(&TABLES, work).await.map(|rows: Vec<_>| rows[0].integer(0))
    };
    assert_eq!(count(open(&one)).await, Ok::<_, DatabaseError>(Some(1)));
    let name = one.rsplit('=').next().unwrap();
    assert_eq!(count(open(&format!("{other},{name}"))).await, Ok(Some(1)), "not those of the second schema");
}

async fn an_effect_comes_about_once(database: Database) {
    let task = TaskId::new();
    let once = |number: i64| {
        database.once(task, move |transaction| {
            transaction.execute("CREATE TABLE IF NOT EXISTS effects (n BIGINT)", &[])?;
            transaction.execute("INSERT INTO effects VALUES ($1)", &[number.into()])?;
            Ok(number)
        })
    };
    let (one, other) = tokio::join!(once(1), once(2));
    assert_eq!(one.unwrap(), other.unwrap());
    let count = database.transaction(|transaction| transaction.query("SELECT count(*) FROM effects", &[]));
    assert_eq!(count.await.unwrap()[0].integer(0), Some(1));
}

#[tokio::test]
async fn whoever_may_not_create_an_index_uses_the_tables_without() {
    let (url, role) = (schema().await, format!("role_{}", TaskId::new()).to_lowercase());
    let other = open(&format!("{url}&options[role]={role}"));
    let grants = [
        format!("CREATE ROLE {role}"),
        format!("GRANT USAGE ON SCHEMA {} TO {role}", url.rsplit('=').next().unwrap()),
        format!("GRANT SELECT, INSERT ON ours TO {role}"),
    ];
    let owner = open(&url);
    let granted = owner.transaction_with(&TABLES, move |transaction| {
        grants.iter().try_for_each(|grant| transaction.execute(grant, &[]).map(drop))
    });
    assert_eq!(granted.await, Ok::<_, DatabaseError>(()));
    let inserted =
        other.transaction_with(&INDEXED, |transaction| transaction.execute("INSERT INTO ours VALUES (1)", &[]));
    assert_eq!(inserted.await, Ok::<_, DatabaseError>(1));
}

#[tokio::test]
async fn tables_and_effects_of_sqlite() {
    let folder = TempDir::new().unwrap();
    let url = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
    tables_are_created_by_many_at_once(open(&url("a.db")), Dialect::Sqlite).await;
    an_effect_comes_about_once(open(&url("b.db"))).await;
    an_index_is_created_for_tables_that_were_there_before(&url("c.db")).await;
}

#[tokio::test]
async fn tables_and_effects_of_postgresql() {
    let url = schema().await;
    tables_are_created_by_many_at_once(open(&url), Dialect::Postgres).await;
    an_effect_comes_about_once(open(&url)).await;
    an_index_is_created_for_tables_that_were_there_before(&schema().await).await;
}
