//! Rows that the database refuses come back with its own words and their line; the others are imported.

use runtime::Failure;
use serde_json::{Value, json};
use sqlx::{Connection, Executor};

use crate::{
    database::Database,
    world::{World, over_both},
};

/// A definition for a table that somebody else made, which takes any number of rejected rows.
const DEFINITION: &str = "title = \"T\"\ntable = \"t\"\nmode = \"append\"\nmodes = [\"upsert\", \"replace\"]\nkey = [\"id\"]\n[rejected]\nshare = 1.0\n";

/// The lines and reasons of the file of rejected rows.
async fn rejected(world: &World, output: &Value) -> Vec<(u64, String)> {
    let file = world.get(output["href"].as_str().unwrap()).await;
    let mut reader = csv::Reader::from_reader(file.as_bytes());
    let mut rows: Vec<_> =
        reader.records().map(|row| row.unwrap()).map(|row| (row[0].parse().unwrap(), row[1].to_owned())).collect();
    rows.sort();
    rows
}

over_both! {
    async fn a_check_a_unique_key_and_a_missing_value_reject_the_row_and_not_the_file(world) {
        let table = "CREATE TABLE t (id bigint PRIMARY KEY, n bigint CHECK (n > 0), a text NOT NULL); INSERT INTO t VALUES (7, 1, 'old')";
        world.database.execute(table).await;
        let world = world.defining(&[("t", DEFINITION)]);
        let csv = "id,n,a\n1,1,x\n2,-1,\"a\nb\"\n7,1,x\n3,1,\n1,1,again\n4,1,y\n";
        let done = world.import_by("t", csv, json!({})).await.unwrap();
        assert_eq!(world.rows("SELECT id, a FROM t ORDER BY id").await, ["1|x", "4|y", "7|old"]);
        assert_eq!((&done.output["rows"], &done.output["rejected"]["rows"]), (&json!(2), &json!(4)));
        let rejected = rejected(&world, &done.output).await;
        let words: &[(u64, &[&str])] = &[(3, &["t_n_check", "CHECK constraint failed"]), (5, &["t_pkey", "UNIQUE constraint failed: t.id"]), (6, &["not-null", "NOT NULL constraint failed: t.a"]), (7, &["t_pkey", "UNIQUE constraint failed: t.id"])];
        assert_eq!(rejected.len(), words.len(), "{rejected:?}");
        for ((line, reason), (expected, any)) in rejected.iter().zip(words) {
            assert_eq!(line, expected, "{rejected:?}");
            assert!(reason.starts_with("the database refused it: ") && any.iter().any(|word| reason.contains(word)), "{reason}");
        }
        let file = world.get(done.output["href"].as_str().unwrap()).await;
        assert!(file.contains("\"2,-1,\"\"a\nb\"\"\""), "{file}");
        assert_eq!(world.rows("SELECT count(*) FROM bellwire_imports").await, ["1"]);
    }

    async fn many_bad_rows_among_many_good_ones_are_all_found(world) {
        world.database.execute("CREATE TABLE t (id bigint UNIQUE, n bigint CHECK (n <> 13))").await;
        let world = world.defining(&[("t", DEFINITION)]);
        let rows: String = (0..5000).map(|row| format!("{row},{}\n", if row % 97 == 0 { 13 } else { row })).collect();
        for mode in ["append", "replace", "upsert"] {
            let done = world.import_by("t", format!("id,n\n{rows}"), json!({"mode": mode})).await.unwrap();
            let rejected = rejected(&world, &done.output).await;
            let expected: Vec<u64> = (0..5000).filter(|row| row % 97 == 0 || *row == 13).map(|row| row + 2).collect();
            assert_eq!(rejected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), expected, "{mode}");
            assert_eq!(done.output["rows"], 5000 - expected.len());
            assert_eq!(world.rows("SELECT count(*) FROM t").await, [(5000 - expected.len()).to_string()]);
        }
    }

    async fn of_rows_with_one_key_the_last_that_the_database_takes_counts(world) {
        world.database.execute("CREATE TABLE t (id bigint PRIMARY KEY, n bigint CHECK (n > 0))").await;
        let world = world.defining(&[("t", DEFINITION)]);
        let csv = "id,n\n1,1\n1,2\n1,-3\n2,5\n2,6\n";
        let done = world.import_by("t", csv, json!({"mode": "upsert"})).await.unwrap();
        assert_eq!(rejected(&world, &done.output).await.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [4]);
        assert_eq!(world.rows("SELECT id, n FROM t ORDER BY id").await, ["1|2", "2|6"]);
    }

    async fn a_trigger_that_raises_rejects_the_row_with_its_words(world) {
        world.database.execute("CREATE TABLE t (id bigint, n bigint)").await;
        world.database.execute(match world.database.is_sqlite() {
            true => "CREATE TRIGGER raised BEFORE INSERT ON t WHEN new.n = 2 BEGIN SELECT RAISE(ABORT, 'two is not for sale'); END",
            false => "CREATE FUNCTION raised() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF new.n = 2 THEN RAISE 'two is not for sale'; END IF; RETURN new; END $$;
                CREATE TRIGGER raised BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION raised()",
        }).await;
        let world = world.defining(&[("t", &DEFINITION.replace("[\"upsert\", \"replace\"]\nkey = [\"id\"]", "[]"))]);
        let done = world.import_by("t", "id,n\n1,1\n2,2\n3,3\n", json!({})).await.unwrap();
        assert_eq!(rejected(&world, &done.output).await, [(3, "the database refused it: two is not for sale".to_owned())]);
        assert_eq!(world.rows("SELECT id FROM t ORDER BY id").await, ["1", "3"]);
    }

    async fn too_many_refused_rows_leave_the_table_as_it_was(world) {
        world.database.execute("CREATE TABLE t (id bigint CHECK (id > 0)); INSERT INTO t VALUES (7)").await;
        let definition = "title = \"T\"\ntable = \"t\"\nmode = \"replace\"\n[rejected]\nshare = 0.4\n";
        let world = world.defining(&[("t", definition)]);
        let words = world.import_by("t", "id\n1\n-1\n", json!({})).await.unwrap_err().to_string();
        assert!(words.starts_with("1 of 2 rows do not fit, so nothing was imported"), "{words}");
        assert_eq!(world.rows("SELECT id FROM t").await, ["7"]);
    }
}

#[tokio::test]
async fn what_postgresql_alone_refuses_is_told_by_its_column_and_its_key() {
    let world = World::over(crate::database::Database::postgres().await);
    world.database.execute("CREATE TABLE other (id bigint PRIMARY KEY); INSERT INTO other VALUES (1);
        CREATE TABLE t (id bigint PRIMARY KEY, small smallint, code varchar(3), price numeric(4, 1), other bigint REFERENCES other)").await;
    let world = world.defining(&[("t", DEFINITION)]);
    let csv = "id,small,code,price,other\n1,1,abc,1.5,1\n2,99999,abc,1,1\n3,1,abcd,1,1\n4,1,abc,99999,1\n5,1,abc,1,2\n6,1,abc,1,1\n7,1,abc,1,3\n";
    let words: &[(u64, &str)] = &[
        (3, "the database refused it: column small: value \"99999\" is out of range for type smallint"),
        (4, "the database refused it: column code: value too long for type character varying(3)"),
        (5, "the database refused it: numeric field overflow"),
        (
            6,
            "the database refused it: insert or update on table \"t\" violates foreign key constraint \"t_other_fkey\"; Key (other)=(2) is not present in table \"other\"",
        ),
        (
            8,
            "the database refused it: insert or update on table \"t\" violates foreign key constraint \"t_other_fkey\"; Key (other)=(3) is not present in table \"other\"",
        ),
    ];
    for mode in ["append", "upsert", "replace"] {
        world.database.execute("TRUNCATE t").await;
        let done = world.import_by("t", csv, json!({"mode": mode})).await.unwrap();
        let found = rejected(&world, &done.output).await;
        for ((line, reason), (expected, start)) in found.iter().zip(words) {
            assert!(line == expected && reason.replace("column price: ", "").starts_with(start), "{mode}: {found:?}");
        }
        assert_eq!(found.len(), words.len());
        assert_eq!(world.rows("SELECT id FROM t ORDER BY id").await, ["1", "6"]);
    }
    world.database.end().await;
}

/// Each is what somebody must change in the database, or what may be otherwise in a moment.
#[tokio::test]
async fn what_postgresql_would_answer_again_ends_the_import_at_once_with_its_words_and_the_rest_is_tried_again() {
    let world = World::over(crate::database::Database::postgres().await);
    let Database::Postgres { schema, .. } = &*world.database else { panic!("it is PostgreSQL") };
    let defining = world.defining(&[("t", DEFINITION)]);
    let (upsert, append) = (json!({"mode": "upsert"}), json!({"mode": "append"}));
    for (setup, fields, reason, words) in [
        // 55000
        (
            format!(
                "CREATE TABLE t (id bigint UNIQUE, n bigint); INSERT INTO t VALUES (7, 7); CREATE PUBLICATION {schema} FOR TABLE t"
            ),
            json!({"mode": "replace"}),
            "database",
            "cannot delete from table \"t\" because it does not have a replica identity and publishes deletes; To enable deleting",
        ),
        // 428C9
        (
            "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n bigint)".to_owned(),
            upsert.clone(),
            "database",
            "cannot insert a non-DEFAULT value into column \"id\"",
        ),
        // 42P10
        (
            "CREATE TABLE t (id bigint, n bigint GENERATED ALWAYS AS (id * 2) STORED)".to_owned(),
            append.clone(),
            "database",
            "column \"n\" is a generated column",
        ),
        // 0A000
        (
            "CREATE TABLE t (id bigint PRIMARY KEY, n bigint); CREATE TABLE log (id bigint);
             CREATE RULE noted AS ON INSERT TO t DO ALSO INSERT INTO log VALUES (new.id)"
                .to_owned(),
            upsert,
            "database",
            "INSERT with ON CONFLICT clause cannot be used with table that has INSERT or UPDATE rules",
        ),
        // 23503, at the commit
        (
            "CREATE TABLE other (id bigint PRIMARY KEY);
             CREATE TABLE t (id bigint, n bigint REFERENCES other DEFERRABLE INITIALLY DEFERRED)"
                .to_owned(),
            append.clone(),
            "rejected",
            "nothing was imported: the database refused it: insert or update on table \"t\" violates foreign key constraint \"t_n_fkey\"; Key (n)=(1) is not present in table \"other\"",
        ),
    ] {
        world.database.execute(&setup).await;
        let ended = defining.import_by("t", "id,n\n1,1\n", fields).await;
        let Err(Failure::Permanent { reason: found, message }) = ended else { panic!("{setup}: {ended:?}") };
        assert!(found == reason && message.contains(words), "{setup}: {message}");
        world
            .database
            .execute(&format!("DROP PUBLICATION IF EXISTS {schema}; DROP TABLE t; DROP TABLE IF EXISTS other"))
            .await;
    }
    // 42501
    let role = format!("writer_{schema}");
    world
        .database
        .execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'writes'; GRANT USAGE ON SCHEMA {schema} TO {role}"))
        .await;
    let mut url: url::Url = world.database.url().parse().unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("writes")).unwrap();
    let ended = world.at(url.as_str()).import_with("t", "a\n1\n", json!({})).await;
    assert!(
        matches!(&ended, Err(Failure::Permanent { reason: "database", message }) if message.contains("permission denied")),
        "{ended:?}"
    );
    world.database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    // 55P03 and 57014: somebody holds the table, for now.
    world.database.execute("CREATE TABLE t (id bigint, n bigint)").await;
    let mut other = world.database.connect().await;
    let mut held = other.begin().await.unwrap();
    held.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await.unwrap();
    for setting in ["lock_timeout", "statement_timeout"] {
        let mut url: url::Url = world.database.url().parse().unwrap();
        url.query_pairs_mut().append_pair(&format!("options[{setting}]"), "300");
        let ended = defining.with_definitions_at(url.as_str()).import_by("t", "id,n\n1,1\n", append.clone()).await;
        assert!(matches!(ended, Err(Failure::Passing { .. })), "{setting}: {ended:?}");
    }
    held.rollback().await.unwrap();
    defining.import_by("t", "id,n\n1,1\n", append).await.unwrap();
    world.database.end().await;
}
