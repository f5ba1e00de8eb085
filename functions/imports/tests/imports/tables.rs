//! Which tables may be touched.

use serde_json::json;

use crate::world::{columns, over_both};

over_both! {
    async fn replacing_makes_the_table_as_the_file_is(world) {
        world.import("a,b\n1,2\n3,4\n").await;
        let output = world.import("b,c\nx,2026-01-01\n").await;
        assert_eq!(columns(&output), "b text, c date");
        assert_eq!(world.rows("SELECT * FROM t").await, ["x|2026-01-01"]);
    }

    async fn appending_adds_rows_of_the_tables_types_by_name(world) {
        let append = json!({"mode": "append"});
        world.import_with("t", "n,text\n1,00501\n", append.clone()).await.unwrap();
        let done = world.import_with("t", "text,n\n7,2\nx,no\n", append.clone()).await.unwrap();
        assert_eq!(columns(&done.output), "text text, n integer");
        assert_eq!(done.output["rejected"]["first"][0]["reason"], "column n: \"no\" is no integer");
        world.import_with("t", "n\n3\n", append.clone()).await.unwrap();
        assert_eq!(world.rows("SELECT n, text FROM t ORDER BY n").await, ["1|00501", "2|7", "3|NULL"]);
        let words = world.refused_with("n,other\n1,2\n", append).await;
        assert_eq!(words, "the file has a column other that the table t has not; it has: n, text");
    }

    async fn a_table_that_no_import_made_is_never_touched(world) {
        world.database.execute("CREATE TABLE t (a text); INSERT INTO t VALUES ('mine')").await;
        for mode in ["replace", "append"] {
            let words = world.refused_with("a\n1\n", json!({"mode": mode})).await;
            assert!(words.contains("the table t is there already and no import made it"), "{words}");
        }
        world.database.execute("CREATE VIEW v AS SELECT a FROM t").await;
        let words = world.import_with("v", "a\n1\n", json!({})).await.unwrap_err().to_string();
        assert!(words.contains("the table v is there already"), "{words}");
        assert_eq!(world.rows("SELECT a FROM v").await, ["mine"]);
    }

    async fn a_table_that_was_changed_since_its_import_is_left_alone(world) {
        world.import("a\n1\n").await;
        world.database.execute("ALTER TABLE t ADD COLUMN mine text").await;
        assert!(world.refused("a\n2\n").await.contains("the table t was changed since an import made it"));
        assert_eq!(world.rows("SELECT a FROM t").await, ["1"]);
        world.database.execute("DROP TABLE t").await;
        world.import("a\n3\n").await;
        assert_eq!(world.rows("SELECT a FROM t").await, ["3"]);
    }

    async fn a_table_that_a_view_rests_on_stays_under_it(world) {
        world.import("a\n1\n").await;
        world.database.execute("CREATE VIEW v AS SELECT a FROM t").await;
        world.import("a\n2\n").await;
        assert_eq!(world.rows("SELECT a FROM v").await, ["2"]);
        assert!(world.refused("b\n3\n").await.contains("the table t was left alone"));
        assert_eq!(world.rows("SELECT a FROM v").await, ["2"]);
    }

    async fn a_table_name_that_is_sql_is_refused_by_the_path_of_its_field(world) {
        let bad = json!({"file": "a/b", "table": "t; DROP TABLE users"});
        let words = world.run(&world.context().0, bad).await.unwrap_err().to_string();
        assert!(words.starts_with("input.table: \"t; DROP TABLE users\" is no table name"), "{words}");
    }
}
