//! An import of 1,000,000 rows beside `sqlite3 .import` and `psql \copy` of the same file into a table of the same
//! types: times, their ratio, and the most memory that each side's process held (for `psql` that of the client, the
//! server's being the same for both). `make bench` runs it.
//!
//! `BELLWIRE_BENCH_ROWS` sets another number of rows.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use imports::{DatabaseConfig, Imports, ImportsConfig};
use runtime::testing;
use serde_json::json;
use storage::{FileKey, OwnerFiles, Storage, StorageConfig};
use tempfile::TempDir;

mod generated;

const ROUNDS: usize = 5;

/// The table that ours makes, with both databases' names of types.
fn table(integer: &str, number: &str, day: &str, at: &str) -> String {
    format!(
        "CREATE TABLE theirs (id {integer}, customer text, zip text, city text, amount {number}, discount {number}, \
         quantity {integer}, weight {number}, paid boolean, day {day}, at {at}, note text)"
    )
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let rows = env::var("BELLWIRE_BENCH_ROWS").map_or(1_000_000, |rows| rows.parse().unwrap());
    let folder = TempDir::new().unwrap();
    let csv = folder.path().join("orders.csv");
    generated::write(&csv, rows).unwrap();
    let bytes = fs::metadata(&csv).unwrap().len();
    println!("import of {rows} rows, {} MB, 12 columns; the best and the median of {ROUNDS} rounds", bytes / 1_000_000);

    let files = stored(folder.path(), &csv).await;
    compare("sqlite3 .import", "SQLite", &files, || {
        let folder = TempDir::new_in(folder.path()).unwrap();
        let theirs = folder.path().join("theirs.db");
        let url = format!("sqlite://{}/ours.db", folder.path().display());
        (folder, url, sqlite3(theirs, csv.clone()))
    })
    .await;

    let url = env::var("BELLWIRE_TEST_DATABASE_URL")
        .expect("BELLWIRE_TEST_DATABASE_URL is not set: run `make bench`, which starts a PostgreSQL");
    let schema = "bellwire_bench";
    psql(&url, &format!("CREATE SCHEMA {schema}"));
    let more = if url.contains('?') { '&' } else { '?' };
    let within = format!("{url}{more}options=-csearch_path%3D{schema}");
    psql(&within, &table("bigint", "double precision", "date", "timestamp"));
    compare("psql \\copy", "PostgreSQL", &files, || ((), within.clone(), copy(within.clone(), csv.clone()))).await;
    psql(&url, &format!("SET client_min_messages = error; DROP SCHEMA {schema} CASCADE"));
}

/// Runs theirs and ours in turn and prints both.
async fn compare<Kept, Theirs: FnOnce() -> u64>(
    their_name: &str,
    database: &str,
    files: &OwnerFiles,
    world: impl Fn() -> (Kept, String, Theirs),
) {
    let (mut theirs, mut ours, mut their_peak, mut peak) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..ROUNDS {
        let (_kept, url, run) = world();
        let started = Instant::now();
        their_peak = their_peak.max(run());
        theirs.push(started.elapsed().as_secs_f64());

        let imports = Imports::open(ImportsConfig::default(), &DatabaseConfig { url }).unwrap();
        let (context, _) = testing::context(files.clone());
        generated::forget_peak_memory();
        let started = Instant::now();
        testing::run(&imports, &context, json!({"file": "bench/orders.csv", "table": "ours"})).await.unwrap();
        ours.push(started.elapsed().as_secs_f64());
        peak = peak.max(generated::peak_memory());
    }
    theirs.sort_by(f64::total_cmp);
    ours.sort_by(f64::total_cmp);
    let middle = ROUNDS / 2;
    println!(
        "{database:<10}  {their_name:<15} {:.2} s, {:.2} s   bellwire {:.2} s, {:.2} s   ratio {:.2}, {:.2} (aim 1.5)   \
         peak memory {their_peak} MiB, {peak} MiB",
        theirs[0],
        theirs[middle],
        ours[0],
        ours[middle],
        ours[0] / theirs[0],
        ours[middle] / theirs[middle],
    );
}

async fn stored(folder: &Path, csv: &Path) -> OwnerFiles {
    let config = StorageConfig::at(format!("file:{}", folder.join("files").display()));
    let files = Storage::open(&config).unwrap().files(&"test".parse().unwrap(), "ada");
    let mut upload = files.put("bench/orders.csv".parse::<FileKey>().unwrap()).await.unwrap();
    upload.write(fs::read(csv).unwrap().into()).await.unwrap();
    upload.finish().await.unwrap();
    files
}

fn sqlite3(database: PathBuf, csv: PathBuf) -> impl FnOnce() -> u64 {
    let make = table("integer", "real", "text", "text");
    run(Command::new("sqlite3").arg(&database).arg(make));
    move || {
        let import = format!(".import --csv --skip 1 {} theirs", csv.display());
        run(Command::new("sqlite3").arg(&database).arg(import))
    }
}

fn copy(url: String, csv: PathBuf) -> impl FnOnce() -> u64 {
    psql(&url, "TRUNCATE theirs");
    move || psql(&url, &format!("\\copy theirs FROM '{}' WITH (FORMAT csv, HEADER)", csv.display()))
}

fn psql(url: &str, command: &str) -> u64 {
    run(Command::new("psql").args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--command", command, url]))
}

/// Runs a program to its end; the most memory it held, in MiB.
#[expect(clippy::disallowed_methods, reason = "it measures, and nothing else runs on its thread")]
fn run(command: &mut Command) -> u64 {
    let program = command.get_program().to_owned();
    let child = command.stdout(Stdio::null()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut peak = 0;
    loop {
        // Gone with the process, so it is asked for all the time.
        peak = peak.max(generated::peak_memory_of(&child.id().to_string()));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{} failed", program.display());
            return peak;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
