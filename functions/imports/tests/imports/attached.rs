//! What others attached to a table stays when its rows are replaced.

use serde_json::json;

use crate::world::over_both;

over_both! {
    async fn indexes_triggers_and_keys_stay_when_the_columns_do(world) {
        world.import("id,n\n1,10\n").await;
        world.database.execute("CREATE UNIQUE INDEX ours ON t (id); CREATE TABLE log (id integer)").await;
        world.database.execute("CREATE TABLE child (id bigint REFERENCES t (id)); CREATE VIEW v AS SELECT n FROM t").await;
        if world.database.is_sqlite() {
            let trigger = "CREATE TRIGGER heard AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.id); END";
            world.database.execute(trigger).await;
        } else {
            let trigger = "CREATE FUNCTION heard() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS
                $$ BEGIN INSERT INTO log VALUES (new.id); RETURN new; END $$;
                CREATE TRIGGER heard AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION heard()";
            world.database.execute(trigger).await;
        }
        world.import("id,n\n2,20\n3,30\n").await;
        assert_eq!(world.rows("SELECT n FROM v ORDER BY n").await, ["20", "30"]);
        assert_eq!(world.rows("SELECT id FROM log ORDER BY id").await, ["2", "3"]);
        world.database.execute("INSERT INTO child VALUES (2)").await;
        let words = world.refused("id,n\n4,40\n").await;
        assert!(words.to_lowercase().contains("foreign key"), "{words}");
        world.database.execute("DELETE FROM child").await;
        world.import("id,n\n5,50\n").await;
        assert_eq!(world.rows("SELECT * FROM t").await, ["5|50"]);
    }

    async fn a_file_with_other_columns_is_refused_by_what_would_be_lost(world) {
        world.import("id,n\n1,10\n").await;
        world.database.execute("CREATE INDEX ours ON t (n)").await;
        for csv in ["id,m\n1,10\n", "id\n1\n", "id,n,m\n1,2,3\n", "id,n\n1,text\n"] {
            let words = world.refused(csv).await;
            assert!(words.starts_with("the table t was left alone: the file has other columns than it (id integer, n integer)"), "{words}");
            assert!(words.contains("index ours"), "{words}");
        }
        assert_eq!(world.rows("SELECT * FROM t").await, ["1|10"]);
        world.database.execute("DROP INDEX ours").await;
        world.import("id,m\n1,10\n").await;
        assert_eq!(world.rows("SELECT id, m FROM t").await, ["1|10"]);
    }

    async fn values_that_the_columns_hold_are_taken_whatever_they_look_like_alone(world) {
        world.import("id,n,text\n1,0.5,x\n").await;
        world.database.execute("CREATE INDEX ours ON t (n)").await;
        let output = world.import("text,id,n\n7,1,2\n").await;
        assert_eq!(crate::world::columns(&output), "text text, id integer, n number");
        assert_eq!(world.rows("SELECT id, n, text FROM t").await, ["1|2|7"]);
        let mut csv = "id,n,text\n".to_owned();
        (0..100_000).for_each(|row| csv.push_str(&format!("{row},1,a longer text\n")));
        csv.push_str("wider,1,a\n");
        let words = world.refused(csv).await;
        assert!(words.contains("the file has other columns than it"), "{words}");
        assert_eq!(world.rows("SELECT id, n, text FROM t").await, ["1|2|7"]);
    }

    async fn rows_of_other_tables_do_not_go_with_those_that_are_replaced(world) {
        world.import("id\n1\n").await;
        for action in ["CASCADE", "SET NULL"] {
            world.database.execute("CREATE UNIQUE INDEX IF NOT EXISTS ours ON t (id)").await;
            let child = format!("DROP TABLE IF EXISTS child; CREATE TABLE child (id bigint REFERENCES t (id) ON DELETE {action}); INSERT INTO child VALUES (1)");
            world.database.execute(&child).await;
            let words = world.refused("id\n2\n").await;
            assert!(words.contains("would delete or change rows there as well"), "{words}");
            assert_eq!(world.rows("SELECT id FROM child").await, ["1"]);
        }
        let definition = "title = \"T\"\ntable = \"t\"\n[[column]]\nname = \"id\"\ntype = \"integer\"\n";
        let defined = world.defining(&[("t", definition)]);
        let words = defined.import_by("t", "id\n2\n", json!({})).await.unwrap_err().to_string();
        assert!(words.contains("would delete or change rows there as well"), "{words}");
        assert_eq!(world.rows("SELECT id FROM child").await, ["1"]);
    }

    async fn rows_that_a_trigger_keeps_are_told(world) {
        world.import("id\n1\n").await;
        let trigger = match world.database.is_sqlite() {
            true => "CREATE TRIGGER kept BEFORE DELETE ON t BEGIN SELECT RAISE(IGNORE); END",
            false => "CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
                CREATE TRIGGER kept BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION kept()",
        };
        world.database.execute(trigger).await;
        let words = world.refused("id\n2\n").await;
        assert_eq!(words, "rows of the table t cannot be deleted, since a trigger or a rule of it keeps them");
        assert_eq!(world.rows("SELECT id FROM t").await, ["1"]);
    }

    async fn names_of_indexes_are_in_nobodys_way(world) {
        let by = |key: &[&str]| json!({"mode": "upsert", "key": key});
        world.import_with("a_b", "c\n1\n", by(&["c"])).await.unwrap();
        world.import_with("a", "b_c\n1\n", by(&["b_c"])).await.unwrap();
        // As PostgreSQL would name it by itself.
        world.import_with("a_b_c_idx", "c\n1\n", by(&["c"])).await.unwrap();
        // An index keeps its name when its table gets another.
        world.database.execute("ALTER TABLE a RENAME TO old").await;
        world.import_with("a", "b_c\n2\n", by(&["b_c"])).await.unwrap();
        assert_eq!(world.rows("SELECT b_c FROM a").await, ["2"]);
    }
}
