//! Whole, once, or not at all.

use serde_json::json;

use runtime::Failure;

use crate::world::over_both;

/// Large enough that it is not read in one piece.
fn large() -> String {
    let mut csv = "n,text\n".to_owned();
    (0..100_000).for_each(|row| csv.push_str(&format!("{row},some text to make it longer\n")));
    csv
}

over_both! {
    async fn a_task_that_is_done_twice_is_there_once(world) {
        let (context, _) = world.context();
        let input = json!({"file": world.put("a,b\n1,2\n3\n").await, "table": "t", "mode": "append"});
        let first = world.run(&context, input).await.unwrap();
        // What is done needs its file no more.
        let gone = json!({"file": "01JD/gone.csv", "table": "t", "mode": "append"});
        let second = world.run(&world.again(context.task), gone).await.unwrap();
        assert_eq!(first.output, second.output);
        assert_eq!(first.toast, second.toast);
        assert_eq!(world.rows("SELECT * FROM t").await, ["1|2"]);
        let record = world.rows("SELECT task, table_name FROM bellwire_imports").await;
        assert_eq!(record, [format!("{}|t", context.task)]);
    }

    async fn two_runs_of_one_task_at_once_are_there_once(world) {
        let (context, _) = world.context();
        let input = json!({"file": world.put(large()).await, "table": "t", "mode": "append"});
        let again = world.again(context.task);
        let (first, second) = tokio::join!(world.run(&context, input.clone()), world.run(&again, input.clone()));
        assert_eq!(first.unwrap().output, second.unwrap().output);
        assert_eq!(world.rows("SELECT count(*) FROM t").await, ["100000"]);
    }

    async fn two_imports_into_one_table_at_once_end_one_after_the_other(world) {
        let (one, two) = (world.put("a\n1\n").await, world.put(large()).await);
        let (first, second) = (world.context().0, world.context().0);
        let (first, second) = tokio::join!(
            world.run(&first, json!({"file": one, "table": "t"})),
            world.run(&second, json!({"file": two, "table": "t"})),
        );
        assert_eq!((&first.unwrap().output["rows"], &second.unwrap().output["rows"]), (&json!(1), &json!(100_000)));
        let left = world.rows("SELECT count(*) FROM t").await;
        assert!(left == ["1"] || left == ["100000"], "{left:?}");
        assert_eq!(world.rows("SELECT count(*) FROM bellwire_imports").await, ["2"]);
    }

    async fn an_import_that_fails_leaves_the_table_as_it_was(world) {
        world.import("a\nold\n").await;
        let csv = format!("{}1,\"never closed\n", large());
        assert!(world.refused(csv).await.contains("the quote (\") that opens in line 100002 never closes"));
        assert_eq!(world.rows("SELECT * FROM t").await, ["old"]);
        assert_eq!(world.rows("SELECT count(*) FROM bellwire_imports").await, ["1"]);
    }

    async fn an_import_that_is_stopped_leaves_nothing(world) {
        world.import("a\nold\n").await;
        let (context, mut progress) = world.context();
        let input = json!({"file": world.put(large()).await, "table": "t"});
        let stopping = async {
            progress.wait_for(|part| *part > 0.0).await.unwrap();
            context.stop.cancel();
        };
        let (ended, ()) = tokio::join!(world.run(&context, input.clone()), stopping);
        assert!(matches!(ended, Err(Failure::Stopped)), "{ended:?}");
        assert_eq!(world.rows("SELECT * FROM t").await, ["old"]);
        let done = world.run(&world.again(context.task), input).await.unwrap();
        assert_eq!(done.output["rows"], 100_000, "it may be done again");
    }

    async fn progress_goes_forward_to_nearly_the_end(world) {
        let (context, progress) = world.context();
        let mut csv = large();
        // So that it is read twice.
        csv.push_str("wider,x\n");
        let input = json!({"file": world.put(csv).await, "table": "t"});
        let mut told = progress.clone();
        let listening = async {
            let mut last = 0.0;
            loop {
                told.changed().await.unwrap();
                let now = *told.borrow_and_update();
                assert!(now > last, "{now} after {last}");
                last = now;
            }
        };
        tokio::select! {
            done = world.run(&context, input) => drop(done.unwrap()),
            () = listening => {}
        }
        assert!(*progress.borrow() > 0.98);
        assert!(*progress.borrow() < 1.0, "the end is the host's to tell");
    }
}
