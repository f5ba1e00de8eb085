//! The examples that ship, over the real files that the imports' examples load.

use std::{fs, path::PathBuf};

use reports::ReportsConfig;
use runtime::testing;
use serde_json::{Value, json};

use crate::fixture::{Fixture, over_both};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// Puts real rows into a table of these types, as an import does.
async fn load(fixture: &Fixture, file: &str, table: &str, columns: &str) {
    let folder = std::env::var("BELLWIRE_TEST_DATASETS").expect("run `make test`, which fetches real files by npm");
    let text = fs::read_to_string(PathBuf::from(folder).join(file)).unwrap();
    let mut sql = format!("CREATE TABLE {table} ({columns}); BEGIN;");
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    for row in rows.records() {
        let fields = row.unwrap();
        let value = |field: &str| match field {
            "" => "NULL".to_owned(),
            field => format!("'{}'", field.replace('\'', "''")),
        };
        let values: Vec<_> = fields.iter().map(value).collect();
        sql += &format!("INSERT INTO {table} VALUES ({});", values.join(","));
    }
    fixture.database.execute(&(sql + "COMMIT;")).await;
}

async fn lines(fixture: &Fixture, input: Value) -> Vec<Value> {
    let config = ReportsConfig { definitions: EXAMPLES.into(), ..ReportsConfig::default() };
    let reports = fixture.try_open(config).unwrap();
    for format in ["html", "xlsx", "csv", "pdf"] {
        let mut input = input.clone();
        input["format"] = json!(format);
        let done = testing::run(&reports, &fixture.context().0, input).await.unwrap();
        let file = String::from_utf8_lossy(&fixture.get(&done.output).await).into_owned();
        assert_eq!(file.contains("<svg"), format == "html");
    }
    let done = testing::run(&reports, &fixture.context().0, input).await.unwrap();
    let text = String::from_utf8(fixture.get(&done.output).await).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

over_both! {
    async fn airports_by_state(fixture) {
        load(fixture, "airports.csv", "airports", "iata text, name text, city text, state text, country text, latitude double precision, longitude double precision").await;
        let rows = lines(fixture, json!({"report": "airports-by-state", "format": "jsonl", "parameters": {"minimum": 100}})).await;
        assert_eq!(rows[0]["state"], "AK");
        assert_eq!(rows[0]["airports"], 263);
        assert!(rows.iter().all(|row| row["airports"].as_i64().unwrap() >= 100) && rows.len() > 3, "{rows:?}");
    }

    async fn weather_by_month(fixture) {
        let day = if fixture.database.is_sqlite() { "text" } else { "date" };
        load(fixture, "seattle-weather.csv", "weather", &format!("date {day}, precipitation double precision, temp_max double precision, temp_min double precision, wind double precision, weather text")).await;
        let rows = lines(fixture, json!({"report": "weather-by-month", "format": "jsonl", "parameters": {"year": "2012"}})).await;
        assert_eq!(rows.len(), 12);
        assert_eq!((&rows[0]["month"], &rows[11]["month"]), (&json!("2012-01"), &json!("2012-12")));
        assert!(rows.iter().all(|row| row["coldest"].as_f64().unwrap() <= row["warmest"].as_f64().unwrap()));
    }

    async fn zipcodes_and_airports(fixture) {
        load(fixture, "airports.csv", "airports", "iata text, name text, city text, state text, country text, latitude double precision, longitude double precision").await;
        load(fixture, "zipcodes.csv", "zipcodes", "zip_code text, latitude double precision, longitude double precision, city text, state text, county text").await;
        let all = lines(fixture, json!({"report": "zipcodes-and-airports", "format": "jsonl"})).await;
        assert!(all.len() > 45, "{}", all.len());
        let one = lines(fixture, json!({"report": "zipcodes-and-airports", "format": "jsonl", "parameters": {"state": "TX"}})).await;
        assert_eq!((one.len(), &one[0]["state"]), (1, &json!("TX")));
        assert!(all.contains(&one[0]));
    }
}
