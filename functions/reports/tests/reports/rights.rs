//! What the role of the queries may do: told when it is more than to read, and of no use to a query where it is not.

use reports::{DatabaseConfig, Delivery, Reports, ReportsConfig};
use runtime::testing;
use serde_json::json;

use crate::{
    database::Database,
    fixture::{Fixture, permanent_message},
};

/// A role of the server, with a password and the right to read the test's schema.
struct Reader<'a> {
    database: &'a Database,
    name: String,
    url: String,
}

impl<'a> Reader<'a> {
    async fn new(database: &'a Database) -> Self {
        let Database::Postgres { admin_url, schema } = database else { panic!("SQLite has no roles") };
        let name = format!("reader_{schema}");
        let mut url: url::Url = admin_url.parse().unwrap();
        database
            .execute(&format!(
                "CREATE ROLE {name} LOGIN PASSWORD 'reads'; GRANT USAGE ON SCHEMA {schema} TO {name};
                 CREATE TABLE t (a integer); INSERT INTO t VALUES (1);
                 GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}"
            ))
            .await;
        url.set_username(&name).unwrap();
        url.set_password(Some("reads")).unwrap();
        url.query_pairs_mut().append_pair("options[search_path]", schema);
        Self { database, name, url: url.into() }
    }

    fn reports(&self, config: ReportsConfig) -> Reports {
        let config = ReportsConfig { database_url: self.url.clone(), ..config };
        Reports::open(config, &DatabaseConfig { url: self.database.url() }, Delivery::default()).unwrap()
    }

    /// What it may do besides reading, and how that is taken away.
    async fn rights(&self) -> Vec<(String, String)> {
        let rights = self.reports(ReportsConfig::default()).unneeded_rights().await.unwrap();
        rights.into_iter().map(|right| (right.what, right.revoke)).collect()
    }

    async fn remove(self) {
        let name = &self.name;
        self.database.execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).await;
    }
}

#[tokio::test]
async fn a_role_that_only_reads_has_nothing_to_tell_and_reads() {
    let database = Database::postgres().await;
    let fixture = Fixture::new(database);
    let reader = Reader::new(&fixture.database).await;
    assert_eq!(reader.rights().await, []);
    let Database::Postgres { admin_url, .. } = &fixture.database else { panic!("it is PostgreSQL") };
    let admin: url::Url = admin_url.parse().unwrap();
    for (sql, words) in [
        ("SELECT pg_read_file('/etc/passwd')", "permission denied for function pg_read_file"),
        ("SELECT * FROM pg_ls_dir('/')", "permission denied for function pg_ls_dir"),
        ("SELECT lo_import('/etc/passwd')", "permission denied for function lo_import"),
        ("SELECT passwd FROM pg_shadow", "permission denied for view pg_shadow"),
        (&*format!("SELECT set_config('role', '{}', true)", admin.username()), "permission denied to set role"),
        ("SELECT pg_reload_conf()", "permission denied for function pg_reload_conf"),
    ] {
        fixture.define("it", sql, "title = \"It\"");
        let reports = reader.reports(fixture.config());
        let message = permanent_message(testing::run(&reports, &fixture.context().0, json!({ "report": "it" })).await);
        assert!(message.contains(words), "{sql}: {message}");
    }
    fixture.define("it", "SELECT a FROM t", "title = \"It\"");
    let reports = reader.reports(fixture.config());
    testing::run(&reports, &fixture.context().0, json!({ "report": "it" })).await.unwrap();
    reader.remove().await;
    fixture.database.remove().await;
}

#[tokio::test]
async fn each_right_that_a_reader_does_not_need_is_told_with_the_statement_that_takes_it_away() {
    let database = Database::postgres().await;
    let reader = Reader::new(&database).await;
    let Database::Postgres { schema, .. } = &database else { panic!("it is PostgreSQL") };
    let name = &reader.name;
    for (gives, what) in [
        (format!("ALTER ROLE {name} BYPASSRLS"), "sees the rows that row security hides".to_owned()),
        (format!("ALTER ROLE {name} CREATEROLE"), "may make roles".to_owned()),
        (format!("GRANT pg_read_server_files TO {name}"), "is a member of pg_read_server_files".to_owned()),
        (format!("GRANT pg_execute_server_program TO {name}"), "is a member of pg_execute_server_program".to_owned()),
        (
            format!("GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {name}"),
            "may execute pg_read_file(text)".to_owned(),
        ),
        (
            format!("GRANT EXECUTE ON FUNCTION lo_export(oid, text) TO {name}"),
            "may execute lo_export(oid,text)".to_owned(),
        ),
        (format!("GRANT INSERT ON t TO {name}"), format!("may write to 1 tables, such as {schema}.t")),
        (
            format!("GRANT CREATE ON SCHEMA {schema} TO {name}"),
            format!("may create tables and functions in the schema {schema}"),
        ),
        (format!("ALTER ROLE {name} SUPERUSER"), "is a superuser".to_owned()),
    ] {
        database.execute(&gives).await;
        let rights = reader.rights().await;
        let [(found, revoke)] = &rights[..] else { panic!("{gives}: {rights:?}") };
        assert_eq!(found.replace(&format!("{schema}."), ""), format!("it {what}").replace(&format!("{schema}."), ""));
        database.execute(&revoke.replace("…", "").replace(", and let another role own them", "")).await;
        assert_eq!(reader.rights().await, [], "{revoke}");
    }
    reader.remove().await;
    database.remove().await;
}

#[tokio::test]
async fn a_right_that_can_be_taken_by_changing_the_role_is_told_too() {
    let database = Database::postgres().await;
    let reader = Reader::new(&database).await;
    let Database::Postgres { schema, .. } = &database else { panic!("it is PostgreSQL") };
    let (name, writer) = (&reader.name, format!("writer_{schema}"));
    database
        .execute(&format!(
            "CREATE ROLE {writer}; ALTER ROLE {name} NOINHERIT; GRANT {writer} TO {name}; GRANT DELETE ON t TO {writer}"
        ))
        .await;
    let rights = reader.rights().await;
    assert!(matches!(&rights[..], [(what, _)] if what.starts_with("it may write to 1 tables")), "{rights:?}");
    database.execute(&format!("DROP OWNED BY {writer}; DROP ROLE {writer}")).await;
    reader.remove().await;
    database.remove().await;
}

#[tokio::test]
async fn sqlite_has_no_roles() {
    let fixture = Fixture::new(Database::sqlite());
    assert_eq!(fixture.open().unneeded_rights().await.unwrap(), []);
}
