//! Alone in its process, because it measures that process's memory: large reports are made at constant memory.
#![allow(clippy::unwrap_used)]

use std::{env, fs};

use model::TaskId;
use reports::{DatabaseConfig, Delivery, Reports, ReportsConfig};
use runtime::testing;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use storage::{OwnerFiles, Storage, StorageConfig};
use tempfile::TempDir;

#[path = "../benches/report/orders.rs"]
mod orders;

/// The most MiB that a report may add to the memory of the process.
const MAX_MIB: u64 = 64;
/// Kept, they would take several times as much; `make bench` makes reports of a million.
const ROWS: u64 = 500_000;
/// As many as are allowed by default.
const PDF_ROWS: u64 = 50_000;

const DEFINITION: &str = "title = \"Orders\"\n[chart]\ntype = \"line\"\nx = \"id\"\ny = [\"amount\", \"tax\"]\n\
    [[parameter]]\nname = \"last\"\ntype = \"integer\"";

/// Makes the report as each of these files.
async fn make(folder: &TempDir, files: &OwnerFiles, url: &str, formats: &[&str]) {
    let config = ReportsConfig {
        definitions: folder.path().join("definitions"),
        pdf_row_limit: PDF_ROWS,
        ..ReportsConfig::default()
    };
    let reports = Reports::open(config, &DatabaseConfig { url: url.to_owned() }, Delivery::default()).unwrap();
    let database = url.split("://").next().unwrap();
    for format in formats {
        let (context, _) = testing::context(files.clone());
        orders::reset_peak_memory();
        let before = orders::peak_memory();
        let rows = if *format == "pdf" { PDF_ROWS } else { ROWS };
        let input = json!({"report": "orders", "format": format, "parameters": {"last": rows}});
        let done = testing::run(&reports, &context, input).await.unwrap();
        // The kernel counts roughly when it resets the peak, exactly when it is asked: the peak can fall.
        let memory = orders::peak_memory().saturating_sub(before);
        assert_eq!(done.output["rows"], rows);
        assert!(memory < MAX_MIB, "{format} of {database} took {memory} MiB");
    }
}

#[tokio::test]
async fn many_rows_of_twelve_columns_take_no_more_memory_than_a_few() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("definitions")).unwrap();
    let query = format!("{} WHERE id <= :last", orders::QUERY);
    fs::write(folder.path().join("definitions/orders.sql"), query).unwrap();
    fs::write(folder.path().join("definitions/orders.toml"), DEFINITION).unwrap();
    let storage = Storage::open(&StorageConfig::at(format!("file:{}/files", folder.path().display()))).unwrap();
    let files = storage.files(&"test".parse().unwrap(), "ada");

    orders::sqlite(&folder.path().join("it.db"), ROWS);
    let url = format!("sqlite://{}/it.db", folder.path().display());
    make(&folder, &files, &url, &["csv", "xlsx", "html", "pdf", "jsonl"]).await;

    let administrator = env::var("BELLWIRE_TEST_DATABASE_URL")
        .expect("BELLWIRE_TEST_DATABASE_URL is not set: run `make test`, which starts a PostgreSQL");
    let schema = format!("test_{}", TaskId::new()).to_lowercase();
    let mut connection = PgConnection::connect(&administrator).await.unwrap();
    connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}; SET search_path = {schema}"))).await.unwrap();
    connection.execute(AssertSqlSafe(orders::postgres(ROWS))).await.unwrap();
    let more = if administrator.contains('?') { '&' } else { '?' };
    make(&folder, &files, &format!("{administrator}{more}options[search_path]={schema}"), &["csv", "xlsx"]).await;
    connection.execute(AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
}
