//! Alone in its process, because it measures that process's memory: large files are read at constant memory.
#![allow(clippy::unwrap_used, dead_code)]

use std::{env, io::Write, path::Path};

use bytes::Bytes;
use imports::{DatabaseConfig, Imports, ImportsConfig};
use model::TaskId;
use runtime::testing;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use storage::{OwnerFiles, Storage, StorageConfig};
use tempfile::TempDir;

#[path = "../benches/import/generated.rs"]
mod generated;

/// Most MiB that a load may hold beyond what the process held before.
const MOST: u64 = 64;

async fn put(files: &OwnerFiles, file: &Path) {
    let mut upload = files.put("a/large.csv".parse().unwrap()).await.unwrap();
    let mut reader = std::fs::File::open(file).unwrap();
    loop {
        let mut piece = Vec::new();
        std::io::Read::read_to_end(&mut std::io::Read::take(&mut reader, 1 << 20), &mut piece).unwrap();
        if piece.is_empty() {
            break;
        }
        upload.write(Bytes::from(piece)).await.unwrap();
    }
    upload.finish().await.unwrap();
}

/// A workbook of so many rows, whose texts stand in their cells.
fn write_sheet(path: &Path, rows: u32) {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet_with_constant_memory().unwrap();
    sheet.write(0, 0, "id").unwrap().write(0, 1, "note").unwrap().write(0, 2, "amount").unwrap();
    for row in 1..=rows {
        sheet.write(row, 0, row).unwrap();
        sheet.write(row, 1, format!("a note about order {row}")).unwrap();
        sheet.write(row, 2, f64::from(row) / 8.0).unwrap();
    }
    book.save(path).unwrap();
}

/// Imports the file; what it came to, and the memory it took.
async fn import(files: &OwnerFiles, url: &str) -> (Result<Value, String>, u64) {
    let imports = Imports::open(ImportsConfig::default(), &DatabaseConfig { url: url.to_owned() }).unwrap();
    let (context, _) = testing::context(files.clone());
    generated::forget_peak_memory();
    let before = generated::peak_memory();
    let done = testing::run(&imports, &context, json!({"file": "a/large.csv", "table": "large"})).await;
    let output = done.map(|done| done.output).map_err(|failure| failure.to_string());
    // The kernel counts roughly when it resets the peak, exactly when it is asked: the peak can fall.
    (output, generated::peak_memory().saturating_sub(before))
}

#[tokio::test]
async fn a_million_rows_and_a_line_of_300_mb_take_no_more_memory_than_a_few() {
    let folder = TempDir::new().unwrap();
    let storage = Storage::open(&StorageConfig::at(format!("file:{}/files", folder.path().display()))).unwrap();
    let files = storage.files(&"test".parse().unwrap(), "ada");
    let csv = folder.path().join("large.csv");

    generated::write(&csv, 1_000_000).unwrap();
    put(&files, &csv).await;
    let (output, memory) = import(&files, &format!("sqlite://{}/a.db", folder.path().display())).await;
    assert_eq!(output.unwrap()["rows"], 1_000_000);
    assert!(memory < MOST, "over SQLite it took {memory} MiB");

    let administrator = env::var("BELLWIRE_TEST_DATABASE_URL")
        .expect("BELLWIRE_TEST_DATABASE_URL is not set: run `make test`, which starts a PostgreSQL");
    let schema = format!("test_{}", TaskId::new()).to_lowercase();
    let mut connection = PgConnection::connect(&administrator).await.unwrap();
    connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
    let more = if administrator.contains('?') { '&' } else { '?' };
    let (output, memory) = import(&files, &format!("{administrator}{more}options[search_path]={schema}")).await;
    connection.execute(AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
    assert_eq!(output.unwrap()["rows"], 1_000_000);
    assert!(memory < MOST, "over PostgreSQL it took {memory} MiB");

    let content = std::fs::read(&csv).unwrap();
    let mut packed = flate2::write::GzEncoder::new(std::fs::File::create(&csv).unwrap(), flate2::Compression::fast());
    packed.write_all(&content).unwrap();
    packed.finish().unwrap();
    drop(content);
    put(&files, &csv).await;
    let (output, memory) = import(&files, &format!("sqlite://{}/b.db", folder.path().display())).await;
    assert_eq!(output.unwrap()["rows"], 1_000_000);
    assert!(memory < MOST, "packed it took {memory} MiB");

    write_sheet(&csv, 300_000);
    put(&files, &csv).await;
    let (output, memory) = import(&files, &format!("sqlite://{}/c.db", folder.path().display())).await;
    assert_eq!(output.unwrap()["rows"], 300_000);
    assert!(memory < MOST, "the workbook took {memory} MiB");

    let mut file = std::fs::File::create(&csv).unwrap();
    file.write_all(b"a,b\n1,2\n").unwrap();
    (0..300).for_each(|_| file.write_all(&[b'x'; 1_000_000]).unwrap());
    put(&files, &csv).await;
    let (output, memory) = import(&files, &format!("sqlite://{}/a.db", folder.path().display())).await;
    assert_eq!(output.unwrap_err(), "line 3 is longer than 1 MiB, more than a row may have");
    assert!(memory < MOST, "the long line took {memory} MiB");
}
