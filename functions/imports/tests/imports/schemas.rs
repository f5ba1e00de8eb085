//! Several schemas in one database of PostgreSQL: an import touches none but its own.

use serde_json::json;

use crate::{database::Database, world::World};

/// A world whose worker has an empty schema before that of `world.database` in its search path; the other schema.
async fn with_two_schemas() -> (World, World, Database) {
    let (second, first) = (Database::postgres().await, Database::postgres().await);
    let name = second.url().rsplit('=').next().unwrap().to_owned();
    let world = World::over(second);
    let worker = world.at(&format!("{},{name}", first.url()));
    (world, worker, first)
}

#[tokio::test]
async fn a_table_of_the_second_schema_is_neither_dropped_nor_written_to() {
    let (world, worker, first) = with_two_schemas().await;
    world.import("id,a\n1,mine\n").await;
    for fields in [json!({}), json!({"mode": "append"}), json!({"mode": "upsert", "key": ["id"]})] {
        first.execute("DROP TABLE IF EXISTS t").await;
        worker.import_with("t", "id,a\n1,theirs\n", fields).await.unwrap();
        assert_eq!(first.rows("SELECT * FROM t").await, ["1|theirs"]);
        assert_eq!(world.rows("SELECT * FROM t").await, ["1|mine"]);
    }
    assert_eq!(first.rows("SELECT count(*) FROM bellwire_imports").await, ["3"], "records of its own");
    assert_eq!(world.rows("SELECT count(*) FROM bellwire_imports").await, ["1"]);
    first.end().await;
    world.database.end().await;
}

#[tokio::test]
async fn a_table_that_no_import_made_keeps_its_rows_behind_another_schema() {
    let (world, worker, first) = with_two_schemas().await;
    world.database.execute("CREATE TABLE orders (id integer); INSERT INTO orders VALUES (7)").await;
    worker.import_with("orders", "id\n1\n", json!({})).await.unwrap();
    worker.import_with("orders", "id\n2\n", json!({})).await.unwrap();
    assert_eq!(world.rows("SELECT id FROM orders").await, ["7"]);
    assert_eq!(first.rows("SELECT id FROM orders").await, ["2"]);
    first.end().await;
    world.database.end().await;
}

#[tokio::test]
async fn a_search_path_without_a_schema_is_told() {
    let database = Database::postgres().await;
    let world = World::over(database);
    let nowhere = world.at(&format!("{}_nowhere", world.database.url()));
    let words = nowhere.import_with("t", "a\n1\n", json!({})).await.unwrap_err().to_string();
    assert!(words.contains("schema"), "{words}");
    world.database.end().await;
}

#[tokio::test]
async fn names_that_differ_by_case_are_two_tables() {
    let world = World::over(Database::postgres().await);
    world.database.execute("CREATE TABLE \"Orders\" (id integer); INSERT INTO \"Orders\" VALUES (7)").await;
    world.import_with("orders", "id\n1\n", json!({})).await.unwrap();
    world.import_with("orders", "id,n\n1,2\n", json!({})).await.unwrap();
    assert_eq!(world.rows("SELECT id FROM \"Orders\"").await, ["7"]);
    let longest = "x".repeat(63);
    for name in [longest.clone(), format!("{}y", &longest[..62])] {
        world.import_with(&name, "id\n1\n", json!({"mode": "upsert", "key": ["id"]})).await.unwrap();
    }
    assert!(world.import_with(&"x".repeat(64), "id\n1\n", json!({})).await.is_err(), "PostgreSQL would cut it");
    assert_eq!(world.rows(&format!("SELECT count(*) FROM {longest}")).await, ["1"]);
    world.database.end().await;
}

#[tokio::test]
async fn what_is_no_table_of_its_own_is_left_alone() {
    let world = World::over(Database::postgres().await);
    world
        .database
        .execute(
            "CREATE SEQUENCE s; CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE INDEX i ON m (a);
             CREATE TABLE parent (a integer); CREATE TYPE c AS (a integer)",
        )
        .await;
    for name in ["s", "m", "i", "c"] {
        for mode in ["replace", "append"] {
            let words = world.import_with(name, "a\n2\n", json!({"mode": mode})).await.unwrap_err().to_string();
            assert!(words.contains("is there already and is no table"), "{words}");
        }
    }
    assert_eq!(world.rows("SELECT a FROM m").await, ["1"]);
    world.database.end().await;
}

#[tokio::test]
async fn rows_of_tables_that_inherit_stay() {
    let world = World::over(Database::postgres().await);
    world.import("a\n1\n").await;
    world.database.execute("CREATE TABLE child () INHERITS (t); INSERT INTO child VALUES (7)").await;
    world.import("a\n2\n").await;
    assert_eq!(world.rows("SELECT a FROM ONLY t").await, ["2"]);
    assert_eq!(world.rows("SELECT a FROM child").await, ["7"]);
    world.database.end().await;
}

#[tokio::test]
async fn privileges_and_comments_stay_with_a_table_and_what_rests_on_a_column_keeps_it() {
    let world = World::over(Database::postgres().await);
    world.import("id,a\n1,x\n").await;
    let granted = "SELECT relacl::text LIKE '%=r/%', obj_description(oid) FROM pg_class WHERE oid = 't'::regclass";
    for attach in [
        "GRANT SELECT ON t TO public",
        "COMMENT ON TABLE t IS 'ours'",
        "ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    ] {
        world.database.execute(attach).await;
    }
    world.import("id,b\n1,2\n").await;
    assert_eq!(world.rows("SELECT b FROM t").await, ["2"]);
    assert_eq!(world.rows(granted).await, ["t|ours"]);
    world.import("id,a\n2,y\n").await;
    for (attach, words, detach) in [
        ("CREATE INDEX ours ON t (a)", "index ours", "DROP INDEX ours"),
        ("CREATE MATERIALIZED VIEW m AS SELECT a FROM t", "materialized view m", "SELECT 1"),
    ] {
        world.database.execute(attach).await;
        let told = world.refused("id,b\n1,2\n").await;
        assert!(told.contains("the file has other columns than it (id integer, a text)"), "{told}");
        assert!(told.contains(words), "{told}");
        world.database.execute(detach).await;
    }
    world.import("id,a\n3,z\n").await;
    assert_eq!(world.rows("SELECT * FROM t").await, ["3|z"]);
    assert_eq!(world.rows(granted).await, ["t|ours"]);
    world.database.execute("REFRESH MATERIALIZED VIEW m").await;
    assert_eq!(world.rows("SELECT a FROM m").await, ["z"]);
    world.database.end().await;
}

#[tokio::test]
async fn a_privilege_that_every_new_table_gets_is_not_given_again_where_it_was_taken_away() {
    let world = World::over(Database::postgres().await);
    let schema = world.rows("SELECT current_schema()").await.remove(0);
    let defaults = format!("ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO public");
    world.database.execute(&defaults).await;
    world.import("a\n1\n").await;
    world.import("b\n2\n").await;
    let may_read = "SELECT has_table_privilege('public', 't', 'SELECT')";
    assert_eq!((world.rows("SELECT b FROM t").await, world.rows(may_read).await), (vec!["2".into()], vec!["t".into()]));
    world.database.execute("REVOKE SELECT ON t FROM public").await;
    world.import("c\n3\n").await;
    assert_eq!((world.rows("SELECT c FROM t").await, world.rows(may_read).await), (vec!["3".into()], vec!["f".into()]));
    world.database.end().await;
}

#[tokio::test]
async fn no_table_hides_a_type_of_another_schema() {
    let (world, worker, first) = with_two_schemas().await;
    world.database.execute("CREATE DOMAIN amount AS bigint").await;
    let words = worker.import_with("amount", "a\n1\n", json!({})).await.unwrap_err().to_string();
    assert_eq!(words, "the table amount would hide a type of that name; choose another name");
    first.end().await;
    world.database.end().await;
}
