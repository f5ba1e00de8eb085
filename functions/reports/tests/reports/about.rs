//! A report says what it is: its parameters, for whom it was made and when, and from which definition.

use runtime::testing;
use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, over_both, permanent_message},
    readers::{pages, pdf_properties, read},
};

const DEFINITION: &str = r#"
title = "Sales & more"
description = "What was <sold>"
time_zone = "Asia/Kolkata"
parameter = [
  { name = "item", type = "text", title = "Item" },
  { name = "least", type = "integer", title = "At least", default = 1 },
]"#;
const QUERY: &str = "SELECT 'tea' AS item WHERE (:item IS NULL OR :item <> '') AND :least > 0";

async fn made(fixture: &Fixture, format: &str) -> (Value, Vec<u8>) {
    fixture.define("sales", QUERY, DEFINITION);
    let input = json!({"report": "sales", "format": format, "parameters": {"item": "=1+1 /ä"}});
    let done = fixture.run(input).await.unwrap();
    let file = fixture.get(&done.output).await;
    (done.output, file)
}

/// The value after a name.
fn after<'a>(names: &'a Value, values: &'a Value, name: &str) -> &'a str {
    let position = names.as_array().unwrap().iter().position(|known| *known == *name).unwrap();
    values[position].as_str().unwrap()
}

over_both! {
    async fn a_page_begins_with_what_it_is(fixture) {
        let (output, file) = made(fixture, "html").await;
        let page = read("html", &file);
        let (names, values) = (&page["dt"], &page["dd"]);
        assert_eq!((after(names, values, "Item"), after(names, values, "At least")), ("=1+1 /ä", "1"));
        assert_eq!((after(names, values, "Made for"), after(names, values, "Time zone")), ("ada", "Asia/Kolkata"));
        assert!(after(names, values, "Made at").ends_with("+05:30"));
        let version = output["definition"].as_str().unwrap();
        assert_eq!(after(names, values, "Definition"), format!("sales, version {version}"));
        assert_eq!((&page["h1"], &page["p"][0]), (&json!(["Sales & more"]), &json!("What was <sold>")));
    }

    async fn a_workbook_says_it_on_its_last_sheet_and_in_its_properties(fixture) {
        let (output, file) = made(fixture, "xlsx").await;
        let book = read("xlsx", &file);
        assert_eq!(book["sheets"], json!(["Data", "About"]));
        let about = book["rows"]["About"].as_array().unwrap();
        let value = |name: &str| about.iter().find(|row| row[0] == json!(["text", name])).unwrap()[1].clone();
        assert_eq!(value("Report"), json!(["text", "Sales & more"]));
        assert_eq!(value("Item"), json!(["text", "=1+1 /ä"]), "never a formula");
        assert_eq!(value("Made for"), json!(["text", "ada"]));
        let version = output["definition"].as_str().unwrap();
        assert_eq!(value("Definition"), json!(["text", format!("sales, version {version}")]));
        assert_eq!(book["properties"], json!(["Sales & more", "sales", "ada", "XLSX · Item: =1+1 /ä · At least: 1"]));
        assert_eq!((&book["custom"]["Definition"], &book["custom"]["Time zone"]), (&json!(version), &json!("Asia/Kolkata")));
    }

    async fn a_pdf_says_it_on_its_first_page_and_in_its_properties(fixture) {
        let (output, file) = made(fixture, "pdf").await;
        let first = &pages(&file)[0];
        let version = output["definition"].as_str().unwrap();
        for text in ["Sales & more", "What was <sold>", "Item: =1+1 /ä", "At least: 1", "Made for: ada", "Asia/Kolkata", version] {
            assert!(first.contains(text), "{text}: {first}");
        }
        let properties = pdf_properties(&file);
        for text in ["Sales & more", "ada", "Item: =1+1 /ä; At least: 1", version] {
            assert!(properties.contains(text), "{text}: {properties}");
        }
    }

    async fn beside_a_file_of_rows_lies_another_that_says_it(fixture) {
        for (format, name) in [
            ("csv", "sales_item-1-1-ä_least-1.csv"),
            ("csv-raw", "sales_item-1-1-ä_least-1.raw.csv"),
            ("jsonl", "sales_item-1-1-ä_least-1.jsonl"),
        ] {
            let (output, file) = made(fixture, format).await;
            assert!(!String::from_utf8(file).unwrap().contains("ada"), "not among the rows");
            let beside = fixture.get(&json!({"href": output["about"]})).await;
            let about: Value = serde_json::from_slice(&beside).unwrap();
            assert_eq!((&about["file"], &about["format"]), (&json!(name), &json!(format)));
            assert_eq!(about["parameters"], json!({"item": "=1+1 /ä", "least": 1}));
            assert_eq!((&about["made_for"], &about["definition"]), (&json!("ada"), &output["definition"]));
            assert_eq!(about["sheets"], json!([{"name": "Data", "rows": 1, "columns": [{"name": "item", "title": "item"}]}]));
            assert!(about["made_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        }
        let (output, _) = made(fixture, "xlsx").await;
        assert_eq!(output["about"], json!(null));
    }

    async fn a_result_and_its_toast_tell_it_from_others_of_its_title(fixture) {
        fixture.define("sales", QUERY, DEFINITION);
        let input = json!({"report": "sales", "format": "csv-raw", "parameters": {"least": 5}});
        let done = fixture.run(input).await.unwrap();
        assert_eq!(done.output["summary"], "CSV-RAW · At least: 5");
        assert_eq!(done.output["parameters"], json!({"item": null, "least": 5}));
        assert!(done.output["href"].as_str().unwrap().ends_with("/sales_least-5.raw.csv"), "{}", done.output);
        assert_eq!(done.toast.body.as_deref(), Some("1 row · CSV-RAW · At least: 5"));
    }

    async fn another_version_of_a_definition_is_another(fixture) {
        let version = async |sql: &str, toml: &str| {
            fixture.define("it", sql, toml);
            fixture.run(json!({"report": "it"})).await.unwrap().output["definition"].as_str().unwrap().to_owned()
        };
        let first = version("SELECT 1 AS n", "title = \"It\"").await;
        assert_eq!(first.len(), 12);
        assert_eq!(version("SELECT 1 AS n", "title = \"It\"").await, first);
        assert_ne!(version("SELECT 2 AS n", "title = \"It\"").await, first);
        assert_ne!(version("SELECT 1 AS n", "title = \"That\"").await, first);
    }
}

#[tokio::test]
async fn a_time_zone_is_one_that_there_is() {
    let fixture = Fixture::new(crate::database::Database::sqlite());
    let config = reports::ReportsConfig { time_zone: "Europe/Atlantis".to_owned(), ..fixture.config() };
    let message = fixture.try_open(config).err().unwrap().to_string();
    assert!(message.starts_with("reports.time_zone (BELLWIRE_REPORTS__TIME_ZONE): \"Europe/Atlantis\""), "{message}");
    fixture.define("it", "SELECT '2026-07-01T00:00:00Z' AS t", "title = \"It\"");
    let config = reports::ReportsConfig { time_zone: "Europe/Berlin".to_owned(), ..fixture.config() };
    let reports = fixture.try_open(config).unwrap();
    let done = testing::run(&reports, &fixture.context().0, json!({"report": "it", "format": "csv"})).await.unwrap();
    assert_eq!(read("csv", &fixture.get(&done.output).await)[1], json!(["2026-07-01 02:00:00+02:00"]));
}

#[tokio::test]
async fn a_parameter_of_many_characters_and_strange_ones_does_no_harm() {
    let fixture = Fixture::new(crate::database::Database::sqlite());
    let toml = "title = \"It\"\n[[parameter]]\nname = \"p\"\ntype = \"text\"";
    fixture.define("it", "SELECT :p AS p", toml);
    for text in ["x".repeat(16_000), "\u{1}\u{b}\u{fffe}</script>_x0041_".to_owned(), "\u{202e}cod.exe".to_owned()] {
        for format in ["xlsx", "html", "pdf", "csv", "jsonl", "csv-raw"] {
            let input = json!({"report": "it", "format": format, "parameters": {"p": text}});
            let done = fixture.run(input).await.unwrap();
            let file = fixture.get(&done.output).await;
            match format {
                "xlsx" => drop(read("xlsx", &file)),
                "pdf" => drop(pages(&file)),
                _ => {}
            }
            assert!(done.output["summary"].as_str().unwrap().chars().count() <= 201);
        }
    }
    let long = json!({"report": "it", "format": "xlsx", "parameters": {"p": "x".repeat(20_000)}});
    assert!(permanent_message(fixture.run(long).await).contains("longer than"));
}
