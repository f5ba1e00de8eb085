//! What others attached to a table stays when its rows are replaced.

use serde_json::json;

use crate::{
    database::Database,
    world::{World, over_both},
};

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

    async fn a_file_with_other_columns_keeps_what_does_not_rest_on_those_that_go(world) {
        world.import("id,n\n1,10\n").await;
        world.database.execute("CREATE INDEX ours ON t (n)").await;
        for csv in ["id,m\n1,10\n", "id\n1\n"] {
            let words = world.refused(csv).await;
            assert!(words.starts_with("the table t was left alone: the file has other columns than it"), "{words}");
            assert!(words.contains("index ours"), "{words}");
        }
        assert_eq!(world.rows("SELECT * FROM t").await, ["1|10"]);
        let indexes = match world.database.is_sqlite() {
            true => "SELECT count(*) FROM sqlite_schema WHERE name = 'ours'",
            false => "SELECT count(*) FROM pg_indexes WHERE indexname = 'ours' AND tablename = 't' AND schemaname = current_schema()",
        };
        for (csv, types, rows) in [
            ("m,n,id\nx,20,2\n", "m text, n integer, id integer", "2|20|x"),
            ("id,n,m\n3,text,y\n", "id integer, n text, m text", "3|text|y"),
            ("n,m\nwider,z\n", "n text, m text", "wider|z"),
        ] {
            let output = world.import(csv).await;
            assert_eq!(crate::world::columns(&output), types);
            let columns = if types.contains("id") { "id, n, m" } else { "n, m" };
            assert_eq!(world.rows(&format!("SELECT {columns} FROM t")).await, [rows]);
            assert_eq!(world.rows(indexes).await, ["1"], "{csv}");
        }
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
        assert_eq!(crate::world::columns(&world.import(csv).await), "id text, n number, text text");
        assert_eq!(world.rows("SELECT count(*) FROM t WHERE id = 'wider'").await, ["1"]);
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

/// Everything that PostgreSQL knows of the table `t` besides its rows, in words.
const KNOWN: &str = "
    SELECT 'privilege ' || grantee::regrole || ' ' || privilege_type || ' ' || is_grantable FROM pg_class, aclexplode(relacl) WHERE oid = 't'::regclass
    UNION ALL SELECT 'comment ' || objsubid || ' ' || description FROM pg_description WHERE objoid = 't'::regclass
    UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE tablename = 't' AND schemaname = current_schema()
    UNION ALL SELECT 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass
    UNION ALL SELECT 'trigger ' || tgname || ' ' || tgenabled::text FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal
    UNION ALL SELECT 'policy ' || polname FROM pg_policy WHERE polrelid = 't'::regclass
    UNION ALL SELECT 'class ' || concat_ws(' ', oid, relowner::regrole, relrowsecurity, relreplident, relpersistence, reloptions) FROM pg_class WHERE oid = 't'::regclass
    UNION ALL SELECT 'column ' || concat_ws(' ', attnum, attname, attacl, format_type(atttypid, atttypmod), attoptions, attstattarget, attcollation, attstorage) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND attname IN ('id', 'n')
    UNION ALL SELECT 'publication ' || pubname FROM pg_publication_tables WHERE tablename = 't' AND schemaname = current_schema()
    UNION ALL SELECT 'statistics ' || stxname FROM pg_statistic_ext WHERE stxrelid = 't'::regclass
    ORDER BY 1";

#[tokio::test]
async fn whatever_postgresql_knows_of_a_table_is_the_same_after_its_rows_are_replaced() {
    let world = World::over(Database::postgres().await);
    let name = world.rows("SELECT current_schema()::text").await.remove(0);
    let role = format!("reader_{name}");
    for (what, undo) in [
        (
            format!("CREATE ROLE {role}; GRANT SELECT ON t TO {role} WITH GRANT OPTION"),
            format!("DROP OWNED BY {role}; DROP ROLE {role}"),
        ),
        ("COMMENT ON TABLE t IS 'ours'; COMMENT ON COLUMN t.n IS 'a number'".to_owned(), String::new()),
        ("CREATE INDEX by_n ON t (n DESC); ALTER TABLE t CLUSTER ON by_n".to_owned(), String::new()),
        ("ALTER TABLE t ADD CHECK (n > 0), ALTER n SET NOT NULL, ADD PRIMARY KEY (id)".to_owned(), String::new()),
        (
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY everybody ON t USING (true)".to_owned(),
            String::new(),
        ),
        ("ALTER TABLE t REPLICA IDENTITY FULL".to_owned(), String::new()),
        ("ALTER TABLE t SET UNLOGGED".to_owned(), String::new()),
        ("ALTER TABLE t SET (fillfactor = 50), ALTER n SET STATISTICS 500".to_owned(), String::new()),
        ("ALTER TABLE t ALTER n TYPE numeric(10, 2)".to_owned(), String::new()),
        ("ALTER TABLE t ALTER n SET (n_distinct = 5)".to_owned(), String::new()),
        (
            format!("ALTER TABLE t ADD PRIMARY KEY (id); CREATE PUBLICATION {name} FOR TABLE t"),
            format!("DROP PUBLICATION {name}"),
        ),
        ("CREATE STATISTICS together ON id, n FROM t".to_owned(), String::new()),
        ("ALTER TABLE t ALTER n SET DEFAULT 7".to_owned(), String::new()),
    ] {
        world.database.execute("DROP TABLE IF EXISTS t").await;
        world.import("id,n\n1,10\n").await;
        world.database.execute(&what).await;
        let known = world.rows(KNOWN).await;
        // The same columns; and one more, which rests on nothing.
        for csv in ["id,n\n2,20\n", "id,n,more\n2,20,x\n"] {
            world.import(csv).await;
            assert_eq!(world.rows("SELECT id, trunc(n) FROM t").await, ["2|20"], "{what}");
            assert_eq!(world.rows(KNOWN).await, known, "{what}");
        }
        if !undo.is_empty() {
            world.database.execute(&undo).await;
        }
    }
    world.database.end().await;
}

#[tokio::test]
async fn a_role_that_may_only_read_reads_on_after_each_replacement_and_while_it_lasts() {
    let world = World::over(Database::postgres().await);
    let name = world.rows("SELECT current_schema()::text").await.remove(0);
    let role = format!("reader_{name}");
    let role_may = format!("CREATE ROLE {role} LOGIN PASSWORD 'reader'; GRANT USAGE ON SCHEMA {name} TO {role}");
    world.database.execute(&role_may).await;
    let mut url = url::Url::parse(&world.database.url()).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("reader")).unwrap();
    url.set_query(None);
    let reports = Database::Postgres { administrator: url.to_string(), schema: name.clone() };
    world.import("iata,state\nJFK,NY\n").await;
    world.database.execute(&format!("GRANT SELECT ON t TO {role}; CREATE VIEW by_state AS SELECT state, count(*) FROM t GROUP BY state; GRANT SELECT ON by_state TO {role}")).await;
    for (csv, rows) in [("iata,state\nSFO,CA\n", "CA|1"), ("iata,state,city\nLAX,CA,x\nJFK,NY,y\n", "CA|1,NY|1")] {
        world.import(csv).await;
        assert_eq!(reports.rows("SELECT * FROM by_state ORDER BY state").await.join(","), rows);
        assert_eq!(reports.rows("SELECT count(*) FROM t").await.len(), 1);
    }
    // A column that the view reads cannot go, and is said.
    let words = world.refused("iata\nJFK\n").await;
    assert!(words.contains("view by_state"), "{words}");
    world.database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    world.database.end().await;
}
