//! Tables whose names mean something else in SQL: none comes before what a statement of ours or of a report means.

use serde_json::json;

use crate::{
    database::Database,
    world::{World, over_both},
};

over_both! {
    async fn no_table_has_the_name_of_a_pragma(world) {
        for table in ["pragma_table_info", "PRAGMA_foreign_key_list", "pragma_x"] {
            let words = world.import_as("mallory", table, "a\n1\n", json!({})).await.unwrap_err();
            assert!(words.contains("may not begin with pragma_"), "{words}");
            assert!(!world.database.has(table).await);
        }
    }

    async fn a_table_of_the_name_by_which_an_upsert_calls_its_rows_takes_their_values(world) {
        for content in ["id,a\n1,old\n2,kept\n", "id,a\n1,new\n"] {
            world.import_with("excluded", content, json!({"mode": "upsert", "key": ["id"]})).await.unwrap();
        }
        assert_eq!(world.rows("SELECT id, a FROM excluded ORDER BY id").await, ["1|new", "2|kept"]);
    }
}

#[tokio::test]
async fn no_table_of_sqlite_comes_before_a_function() {
    let world = World::over(Database::sqlite());
    for table in ["json_each", "JSON_Tree"] {
        let words = world.import_as("mallory", table, "a\n1\n", json!({})).await.unwrap_err();
        let expected = format!("the table {table} would hide what SQLite itself calls so; choose another name");
        assert_eq!(words, expected);
        let defined = world.defining(&[(
            "d",
            &format!("title = \"D\"\ntable = \"{table}\"\n[[column]]\nname = \"a\"\ntype = \"text\"\n"),
        )]);
        assert_eq!(defined.import_by("d", "a\n1\n", json!({})).await.unwrap_err().to_string(), expected);
        assert!(!world.database.has(table).await);
    }
    assert_eq!(world.rows("SELECT value FROM json_each('[1]')").await, ["1"]);
}

#[tokio::test]
async fn imports_go_on_beside_tables_that_hide_what_sqlite_calls_so() {
    let world = World::over(Database::sqlite());
    for name in
        ["table_info", "table_xinfo", "foreign_key_list", "index_list", "index_info", "index_xinfo", "module_list"]
    {
        world.database.execute(&format!("CREATE TABLE pragma_{name} (a TEXT)")).await;
    }
    world.database.execute("CREATE TABLE json_each (a TEXT)").await;
    world.import("id,a\n1,x\n").await;
    world.database.execute("CREATE TABLE child (t_id INTEGER REFERENCES t (id) ON DELETE CASCADE)").await;
    assert!(world.refused("id,a\n1,x\n").await.contains("a foreign key of child would delete or change"));
    world.database.execute("DROP TABLE child").await;
    world.import("id,a\n1,x\n").await;
    world.import_with("t", "id,a\n2,y\n", json!({"mode": "append"})).await.unwrap();
    for content in ["id,a\n2,z\n", "id,a\n2,w\n3,v\n"] {
        world.import_with("t", content, json!({"mode": "upsert", "key": ["id"]})).await.unwrap();
    }
    assert_eq!(world.rows("SELECT id, a FROM t ORDER BY id").await, ["1|x", "2|w", "3|v"]);
    assert!(world.import_as("mallory", "json_each", "a\n1\n", json!({})).await.is_err());
}
