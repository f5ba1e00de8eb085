//! A report of 1,000,000 rows × 12 columns beside others that do the same from the same table: `sqlite3 -csv` and
//! `psql \copy` for CSV, openpyxl's write-only mode for XLSX: times, their ratio, and the most memory that each held.
//!
//! `BELLWIRE_BENCH_ROWS` sets another number of rows; `BELLWIRE_BENCH_PYTHON` a Python that has openpyxl, otherwise
//! one is made with `python3 -m venv` and pip.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use reports::{DatabaseConfig, Delivery, Reports, ReportsConfig};
use runtime::testing;
use serde_json::json;
use storage::{OwnerFiles, Storage, StorageConfig};
use tempfile::TempDir;

mod orders;

const ROUNDS: usize = 3;
/// Theirs takes minutes for each.
const ROUNDS_OF_WORKBOOKS: usize = 1;

/// Writes as ours does: cells that look like formulas as texts, days and times as such.
const OPENPYXL: &str = r#"
import sqlite3, sys, datetime, resource
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
database, query, path = sys.argv[1:]
rows = sqlite3.connect(database).execute(query)
book = Workbook(write_only=True)
sheet = book.create_sheet("Data")
sheet.freeze_panes = "A2"
sheet.append([column[0] for column in rows.description])
day, time = datetime.date.fromisoformat, datetime.datetime.fromisoformat
for row in rows:
    row = list(row)
    row[7], row[8], row[9], row[10] = bool(row[7]), day(row[8]), day(row[9]), time(row[10])
    sheet.append(row)
book.save(path)
"#;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let rows = env::var("BELLWIRE_BENCH_ROWS").map_or(1_000_000, |rows| rows.parse().unwrap());
    let folder = TempDir::new().unwrap();
    let comparison = Comparison::new(folder.path());
    println!(
        "report of {rows} rows, 12 columns; the best and the median of {ROUNDS} rounds ({ROUNDS_OF_WORKBOOKS} of workbooks)"
    );

    let file = folder.path().join("it.db");
    orders::sqlite(&file, rows);
    let url = format!("sqlite://{}", file.display());
    let csv = folder.path().join("theirs.csv");
    let theirs =
        || shell(&format!("exec sqlite3 -csv -header '{}' '{}' > '{}'", file.display(), orders::QUERY, csv.display()));
    comparison.run(ROUNDS, ["SQLite, CSV", "sqlite3 -csv"], &url, "csv", theirs).await;

    let python = python(folder.path());
    let script = folder.path().join("theirs.py");
    fs::write(&script, OPENPYXL).unwrap();
    let xlsx = folder.path().join("theirs.xlsx");
    let theirs = || run_measured(Command::new(&python).arg(&script).arg(&file).arg(orders::QUERY).arg(&xlsx));
    comparison.run(ROUNDS_OF_WORKBOOKS, ["SQLite, XLSX", "openpyxl"], &url, "xlsx", theirs).await;

    let url = env::var("BELLWIRE_TEST_DATABASE_URL")
        .expect("BELLWIRE_TEST_DATABASE_URL is not set: run `make bench`, which starts a PostgreSQL");
    let schema = "bellwire_bench_reports";
    psql(&url, &format!("CREATE SCHEMA {schema}"));
    let more = if url.contains('?') { '&' } else { '?' };
    let within = format!("{url}{more}options=-csearch_path%3D{schema}");
    psql(&within, &orders::postgres(rows));
    let theirs =
        || psql(&within, &format!("\\copy ({}) TO '{}' WITH (FORMAT csv, HEADER)", orders::QUERY, csv.display()));
    comparison.run(ROUNDS, ["PostgreSQL, CSV", "psql \\copy"], &within, "csv", theirs).await;
    psql(&url, &format!("SET client_min_messages = error; DROP SCHEMA {schema} CASCADE"));
}

struct Comparison {
    definitions: PathBuf,
    files: OwnerFiles,
}

impl Comparison {
    fn new(folder: &Path) -> Self {
        let definitions = folder.join("definitions");
        fs::create_dir(&definitions).unwrap();
        fs::write(definitions.join("orders.sql"), orders::QUERY).unwrap();
        fs::write(definitions.join("orders.toml"), "title = \"Orders\"").unwrap();
        let config = StorageConfig::at(format!("file:{}", folder.join("files").display()));
        let files = Storage::open(&config).unwrap().files(&"test".parse().unwrap(), "ada");
        Self { definitions, files }
    }

    /// Runs the other program, which returns its peak memory, and ours in turn, and prints both.
    async fn run(
        &self,
        rounds: usize,
        [name, other]: [&str; 2],
        url: &str,
        format: &str,
        run_theirs: impl Fn() -> u64,
    ) {
        let (mut theirs, mut ours, mut their_peak, mut peak) = (Vec::new(), Vec::new(), 0, 0);
        for _ in 0..rounds {
            let started = Instant::now();
            their_peak = run_theirs().max(their_peak);
            theirs.push(started.elapsed().as_secs_f64());

            let config = ReportsConfig { definitions: self.definitions.clone(), ..ReportsConfig::default() };
            let reports = Reports::open(config, &DatabaseConfig { url: url.to_owned() }, Delivery::default()).unwrap();
            let (context, _) = testing::context(self.files.clone());
            orders::reset_peak_memory();
            let started = Instant::now();
            testing::run(&reports, &context, json!({"report": "orders", "format": format})).await.unwrap();
            ours.push(started.elapsed().as_secs_f64());
            peak = orders::peak_memory().max(peak);
        }
        theirs.sort_by(f64::total_cmp);
        ours.sort_by(f64::total_cmp);
        let middle = rounds / 2;
        println!(
            "{name:<15}  {other:<12} {:.2} s, {:.2} s, {their_peak} MiB   bellwire {:.2} s, {:.2} s, {peak} MiB   \
             ratio {:.2}, {:.2}",
            theirs[0],
            theirs[middle],
            ours[0],
            ours[middle],
            ours[0] / theirs[0],
            ours[middle] / theirs[middle],
        );
    }
}

/// A Python that has openpyxl.
fn python(folder: &Path) -> PathBuf {
    if let Ok(python) = env::var("BELLWIRE_BENCH_PYTHON") {
        return python.into();
    }
    let venv = folder.join("venv");
    run_measured(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    run_measured(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "openpyxl"]));
    venv.join("bin/python")
}

fn shell(command: &str) -> u64 {
    run_measured(Command::new("sh").args(["-c", command]))
}

fn psql(url: &str, command: &str) -> u64 {
    run_measured(Command::new("psql").args([
        "--no-psqlrc",
        "--quiet",
        "--set",
        "ON_ERROR_STOP=1",
        "--command",
        command,
        url,
    ]))
}

/// Runs a program to its end and returns its peak memory in MiB, as far as it was sampled.
fn run_measured(command: &mut Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    loop {
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{command:?} failed");
            return peak;
        }
        // Sampled now and then: a process that has ended has no status.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = line.and_then(|number| number.trim().parse::<u64>().ok()).map_or(peak, |kib| peak.max(kib / 1024));
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
}
