//! PostgreSQL over TLS: it must show a certificate of the authority that the address names, and may ask for one of ours.

use std::{
    env,
    path::PathBuf,
    time::{Duration, Instant},
};

use runtime::{Database, DatabaseError};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::databases::open;

fn given(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`, which starts a PostgreSQL"))
}

fn certificate(name: &str) -> PathBuf {
    PathBuf::from(given("BELLWIRE_TEST_CERTIFICATES")).join(name)
}

/// The address of the server, with these parameters.
fn address(parameters: &str) -> String {
    format!("{}?sslmode=verify-full{parameters}", given("BELLWIRE_TEST_TLS_DATABASE_URL"))
}

fn known() -> String {
    format!("&sslrootcert={}", certificate("ca.pem").display())
}

/// The user that the server knows us by, and the version of TLS.
async fn asked(database: &Database) -> Result<(String, String), DatabaseError> {
    let sql = "SELECT current_user::text, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let rows = database.transaction(move |transaction| transaction.query(sql, &[])).await?;
    let text = |column| rows[0].text(column).unwrap_or_default().to_owned();
    Ok((text(0), text(1)))
}

async fn refused(url: &str) -> String {
    asked(&open(url)).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_named_authority_is_spoken_to_and_no_other() {
    let (user, version) = asked(&open(&address(&known()))).await.unwrap();
    assert_eq!((user.as_str(), version.starts_with("TLSv1.")), ("bellwire", true), "{version}");
    let unknown = refused(&address("")).await;
    assert!(unknown.contains("UnknownIssuer"), "{unknown}");
    let other = refused(&address(&format!("&sslrootcert={}", certificate("other-ca.pem").display()))).await;
    assert!(other.contains("UnknownIssuer"), "{other}");
    let renamed = refused(&address(&known()).replace("@127.0.0.1:", "@localhost:")).await;
    assert!(renamed.contains("not valid for name \"localhost\""), "{renamed}");
    let missing = refused(&address("&sslrootcert=/nowhere/ca.pem")).await;
    assert!(missing.contains("No such file"), "{missing}");

    // It is known by its own certificate, and needs no password.
    let mut operator = PgConnection::connect(&address(&known())).await.unwrap();
    operator.execute("CREATE ROLE certified LOGIN").await.unwrap();
    let url = address(&known())
        .replace(&given("BELLWIRE_TEST_TLS_DATABASE_URL").split('@').next().unwrap()[11..], "certified");
    let own =
        format!("&sslcert={}&sslkey={}", certificate("client.pem").display(), certificate("client.key").display());
    assert_eq!(asked(&open(&format!("{url}{own}"))).await.unwrap().0, "certified");
    let without = refused(&url).await;
    assert!(without.contains("certificate"), "{without}");

    // Another certificate from now on, whose time is over.
    let expired = format!("ALTER SYSTEM SET ssl_cert_file = '{}'", given("BELLWIRE_TEST_TLS_DATABASE_EXPIRED"));
    operator.execute(AssertSqlSafe(expired)).await.unwrap();
    operator.execute("SELECT pg_reload_conf()").await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match asked(&open(&address(&known()))).await {
            Ok(_) => assert!(Instant::now() < deadline, "it is not refused"),
            Err(error) => return assert!(error.to_string().contains("certificate expired"), "{error}"),
        }
    }
}
