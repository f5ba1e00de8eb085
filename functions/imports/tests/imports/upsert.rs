//! Upsert: rows that are there become what the file says, new ones come to them, the others stay.

use runtime::Failure;
use serde_json::{Value, json};

use crate::world::over_both;

fn by(key: &[&str]) -> Value {
    json!({"mode": "upsert", "key": key})
}

over_both! {
    async fn rows_with_the_key_are_updated_and_the_others_stay(world) {
        world.import_with("t", "id,name,n\n1,a,10\n2,b,20\n", by(&["id"])).await.unwrap();
        let done = world.import_with("t", "n,id,name\n21,2,B\n30,3,c\n", by(&["id"])).await.unwrap();
        assert_eq!(done.output["rows"], 2);
        assert_eq!(world.rows("SELECT id, name, n FROM t ORDER BY id").await, ["1|a|10", "2|B|21", "3|c|30"]);
        // Columns that the file has not stay as they are.
        world.import_with("t", "id,n\n1,11\n", by(&["id"])).await.unwrap();
        assert_eq!(world.rows("SELECT id, name, n FROM t WHERE id = 1").await, ["1|a|11"]);
        world.import_with("t", "id\n1\n4\n", by(&["id"])).await.unwrap();
        assert_eq!(world.rows("SELECT count(*), count(name) FROM t").await, ["4|3"]);
    }

    async fn of_rows_with_one_key_the_last_stands(world) {
        let mut csv = "id,part,n\n".to_owned();
        for row in 0..5000 {
            csv.push_str(&format!("{},x,{row}\n", row % 10));
        }
        for _ in 0..2 {
            world.import_with("t", &csv, by(&["id", "part"])).await.unwrap();
            assert_eq!(world.rows("SELECT count(*), min(n), max(n) FROM t").await, ["10|4990|4999"]);
        }
    }

    async fn a_row_without_its_key_is_rejected(world) {
        let done = world.import_with("t", "id,n\n1,1\n,2\n 3,3\n", by(&["id"])).await.unwrap();
        let reason = "column id: it is empty, and it is a key";
        assert_eq!(done.output["rejected"]["first"], json!([{"line": 3, "reason": reason}]));
        assert_eq!(world.rows("SELECT count(*) FROM t").await, ["2"]);
    }

    async fn a_key_that_is_none_is_refused(world) {
        let words = world.refused_with("a,b\n1,2\n", by(&["id"])).await;
        assert_eq!(words, "key: the file has no column \"id\"; it has: a, b");
        let words = world.refused_with("a\n1\n", json!({"mode": "upsert"})).await;
        assert!(words.starts_with("key: mode upsert needs the columns"), "{words}");
        assert_eq!(world.refused_with("a\n1\n", json!({"key": ["a"]})).await, "key: only mode upsert has a key");
        assert_eq!(world.refused_with("a\n1\n", by(&["a", "a"])).await, "key: \"a\" is there twice");
        // The table was made by an import that knew no key.
        world.import("id,n\n1,1\n1,2\n").await;
        let words = world.refused_with("id,n\n1,3\n", by(&["id"])).await;
        assert_eq!(words, "the table t has rows with the same id, so it cannot be the key");
        assert_eq!(world.rows("SELECT count(*) FROM t").await, ["2"]);
    }

    async fn a_type_that_turns_out_wider_begins_the_whole_again(world) {
        let mut csv = "id,n\n".to_owned();
        (0..200_000).for_each(|row| csv.push_str(&format!("{row},{row}\n")));
        csv.push_str("7,0.5\n");
        world.import_with("t", csv, by(&["id"])).await.unwrap();
        assert_eq!(world.rows("SELECT count(*) FROM t").await, ["200000"]);
        assert_eq!(world.rows("SELECT n FROM t WHERE id = 7").await, ["0.5"]);
    }

    async fn an_upsert_that_is_done_twice_is_there_once(world) {
        world.import_with("t", "id,n\n1,1\n", by(&["id"])).await.unwrap();
        let (context, _) = world.context();
        let mut input = by(&["id"]);
        input["table"] = json!("t");
        input["file"] = json!(world.put("id,n\n1,2\n2,2\n").await);
        let first = world.run(&context, input.clone()).await.unwrap();
        // What somebody wrote since then is not undone by another attempt.
        world.database.execute("UPDATE t SET n = 9 WHERE id = 1").await;
        let second = world.run(&world.again(context.task), input.clone()).await.unwrap();
        assert_eq!(first.output, second.output);
        assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, ["1|9", "2|2"]);
        let (other, (another, _)) = (world.context().0, world.context());
        let (one, two) = tokio::join!(world.run(&other, input.clone()), world.run(&another, input));
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, ["1|2", "2|2"]);
    }

    async fn an_upsert_that_is_stopped_or_fails_changes_nothing(world) {
        world.import_with("t", "id,n\n1,1\n", by(&["id"])).await.unwrap();
        let mut csv = "id,n\n".to_owned();
        (0..100_000).for_each(|row| csv.push_str(&format!("{row},2\n")));
        let (context, mut progress) = world.context();
        let mut input = by(&["id"]);
        input["table"] = json!("t");
        input["file"] = json!(world.put(&csv).await);
        let stopping = async {
            progress.wait_for(|part| *part > 0.0).await.unwrap();
            context.stop.cancel();
        };
        let (ended, ()) = tokio::join!(world.run(&context, input), stopping);
        assert!(matches!(ended, Err(Failure::Stopped)), "{ended:?}");
        assert_eq!(world.rows("SELECT * FROM t").await, ["1|1"]);
        csv.push_str("1,\"never closed\n");
        let words = world.import_with("t", csv, by(&["id"])).await.unwrap_err().to_string();
        assert!(words.contains("never closes"), "{words}");
        assert_eq!(world.rows("SELECT * FROM t").await, ["1|1"]);
    }
}
