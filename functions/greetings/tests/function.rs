//! Runs the function without a broker: files in memory, a SQLite database of its own.

use runtime::testing::Harness;
use serde_json::json;

include!("../src/main.rs");

#[tokio::test]
async fn each_task_has_its_effect_once_however_often_it_is_run() {
    let harness = Harness::new();
    let (first, second) = (harness.context(), harness.context());
    for (task, name, greeted) in [(&first, "Ada", 1), (&first, "Ada", 1), (&second, "Bob", 2)] {
        let done = harness.run(&Greetings, task, json!({ "name": name })).await.result.unwrap();
        assert_eq!((done.output, done.toast.title), (json!(greeted), format!("Hello {name}!")));
    }
}

#[tokio::test]
async fn an_input_that_does_not_fit_is_refused_with_the_field() {
    let harness = Harness::new();
    let wrong = harness.run(&Greetings, &harness.context(), json!({ "nmae": "Ada" })).await.result.unwrap_err();
    assert_eq!(wrong.to_string(), "input: unknown field `nmae`; input: missing field `name`");
}
