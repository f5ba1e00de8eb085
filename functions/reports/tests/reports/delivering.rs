//! A scheduled report that goes to others: made once, whoever is reached late, and checked when the worker starts.

use std::fs;

use model::{TaskId, toast::Level};
use process::{Settings, settings::Layers};
use reports::{DatabaseConfig, Delivery, OpenError, Reports};
use runtime::{Failure, Function, testing};
use serde_json::{Value, json};

use crate::{
    database::Database,
    fixture::{Fixture, over_both},
};

const DEFINITION: &str = r#"
title = "Numbers"
[[schedule]]
name = "daily"
every = "1d"
owner = "ada"
input = { format = "csv-raw" }
deliver = { to = ["user:boss"], webhooks = ["away"] }
"#;

/// A worker whose only webhook is at a port where nobody listens.
fn open(fixture: &Fixture, toml: &str) -> Result<Reports, OpenError> {
    fixture.define("numbers", "SELECT n FROM numbers ORDER BY n", toml);
    let folder = tempfile::tempdir().unwrap();
    let (secret, file) = (folder.path().join("secret"), folder.path().join("bellwire.toml"));
    fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let settings = format!(
        "delivery.link = \"https://intranet.example/#file={{path}}\"\n\
         [[webhook]]\nname = \"away\"\nurl = \"http://127.0.0.1:1/\"\nsecret_file = {secret:?}\n"
    );
    fs::write(&file, settings).unwrap();
    let settings = Settings::read(Layers { file: Some(file), ..Layers::default() }).unwrap();
    let delivery = Delivery::read(&settings).unwrap();
    Reports::open(fixture.config(), &DatabaseConfig { url: fixture.database.url() }, delivery)
}

fn scheduled() -> Value {
    json!({ "report": "numbers", "schedule": { "name": "daily", "time": "2026-11-29T00:00:00Z" } })
}

over_both! {
    async fn a_report_that_waits_for_one_of_its_recipients_is_not_made_again(fixture) {
        fixture.database.execute("CREATE TABLE numbers (n integer); INSERT INTO numbers VALUES (1)").await;
        let reports = open(fixture, DEFINITION).unwrap();
        let (mut context, _) = fixture.context();
        let Err(Failure::Passing { message, .. }) = testing::run(&reports, &context, scheduled()).await else {
            panic!("it is tried again");
        };
        assert!(message.contains("webhook away (") && !message.contains("user:boss"), "{message}");
        fixture.database.execute("INSERT INTO numbers VALUES (2)").await;
        context.attempt = context.attempts;
        let done = testing::run(&reports, &context, scheduled()).await.unwrap();
        assert_eq!(fixture.get(&done.output).await, b"n\r\n1\r\n", "it is as it was told to the others");
        assert_eq!((done.toast.level, &done.output["delivered"]["to"]), (Level::Warning, &json!("user:boss")));
        assert_eq!(done.output["delivered"]["undelivered"][0]["to"], "webhook away");
        assert!(done.toast.body.unwrap().contains("sent to user:boss; not to webhook away ("));

        // Its owner has deleted it meanwhile.
        let href = done.output["href"].as_str().unwrap().to_owned();
        context.files.delete(&storage::FileKey::of_href(&href).unwrap()).await.unwrap();
        let again = testing::run(&reports, &context, scheduled()).await.unwrap();
        assert_eq!(fixture.get(&again.output).await, b"n\r\n1\r\n2\r\n");
        context.task = TaskId::new();
        let next = testing::run(&reports, &context, scheduled()).await.unwrap();
        assert_eq!(next.output["rows"], 2, "another task is another report");
    }
}

#[tokio::test]
async fn whom_a_schedule_names_is_checked_at_start_and_told_with_its_line() {
    let fixture = Fixture::new(Database::sqlite());
    let known = open(&fixture, DEFINITION).unwrap().schedules();
    assert_eq!(known[0].recipients, ["user:boss", "webhook away"]);
    assert_eq!(known[0].input, json!({ "report": "numbers", "schedule": { "name": "daily", "time": "{{ time }}" } }));
    for (from, to, expected) in [
        ("\"user:boss\"", "\"boss\"", "numbers.toml:8: deliver: to: \"boss\" is none of user:ID"),
        (
            "\"away\"",
            "\"erp\"",
            "numbers.toml:8: deliver: webhooks: the settings have no [[webhook]] of the name \"erp\"",
        ),
        ("webhooks", "mail", "numbers.toml:8: deliver: mail: this worker sends none: set [mail]"),
        ("webhooks", "webhook", "numbers.toml:8: unknown field `webhook`"),
        ("{ to = [\"user:boss\"], webhooks = [\"away\"] }", "{}", "numbers.toml:8: deliver: to: it names nobody"),
        (
            "{ to = [\"user:boss\"], webhooks = [\"away\"] }",
            "{ to = [\n\"user:a\",\n\"b\"] }",
            "numbers.toml:10: deliver: to",
        ),
    ] {
        let faults = open(&fixture, &DEFINITION.replace(from, to)).err().unwrap().to_string();
        assert!(faults.contains(expected), "{expected}\n{faults}");
    }
}
