//! Real workbooks, of several packages: each sheet becomes the table that openpyxl reads of it, cell by cell. Where it does
//! not, `tests/workbooks/differences.txt` says why.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::world::{World, over_both};

/// What openpyxl reads of a sheet, or why it reads nothing of the file.
#[derive(Deserialize)]
struct Reading {
    file: PathBuf,
    #[serde(default)]
    sheet: String,
    #[serde(default)]
    rows: Vec<Vec<Cell>>,
    error: Option<String>,
}

/// The kind of a value and its text.
type Cell = Option<(String, String)>;

fn folder() -> PathBuf {
    let folder = env::var_os("BELLWIRE_TEST_WORKBOOKS");
    folder.expect("BELLWIRE_TEST_WORKBOOKS is not set: run `make test`, which fetches the files").into()
}

/// Larger ones say nothing more, and openpyxl takes its time with them.
const MAX_BYTES: u64 = 400_000;

fn workbooks(within: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(within).unwrap().map(|entry| entry.unwrap()) {
        let path = entry.path();
        let is_small = entry.metadata().unwrap().len() < MAX_BYTES;
        if entry.file_type().unwrap().is_dir() {
            workbooks(&path, found);
        } else if is_small
            && path.extension().is_some_and(|extension| ["xlsx", "xlsm", "xltx"].contains(&extension.to_str().unwrap()))
        {
            found.push(path);
        }
    }
}

/// Read once, for both databases.
fn readings() -> &'static [Reading] {
    static READINGS: OnceLock<Vec<Reading>> = OnceLock::new();
    READINGS.get_or_init(read_by_openpyxl)
}

fn read_by_openpyxl() -> Vec<Reading> {
    let mut files = Vec::new();
    workbooks(&folder().join("python/sources"), &mut files);
    workbooks(&folder().join("node_modules"), &mut files);
    files.sort();
    assert!(files.len() > 50, "{files:?}");
    let mut read = Command::new(folder().join("python/bin/python"));
    let output = read.arg(folder().join("read.py")).args(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A value as both write it: without a midnight, and without zeros after the point of a second.
fn normal(text: &str) -> String {
    let text = text.strip_suffix(" 00:00:00").unwrap_or(text);
    let fraction = text
        .rsplit_once('.')
        .filter(|(seconds, digits)| seconds.contains(':') && digits.bytes().all(|byte| byte.is_ascii_digit()));
    fraction.map_or_else(|| text.to_owned(), |_| text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

fn equals(expected: &Cell, found: Option<&str>) -> bool {
    let Some((kind, text)) = expected else { return found.is_none() };
    match (kind.as_str(), found) {
        // No value, and said.
        ("e", found) => found.is_none(),
        // Nothing but blanks is no value in a column of nothing else.
        ("s", None) => text.trim().is_empty(),
        (_, None) => false,
        ("n", Some(found)) => text.parse::<f64>().is_ok_and(|number| found.parse() == Ok(number)),
        ("b", Some(found)) => {
            (text == "true" && ["true", "t", "1"].contains(&found))
                || (text == "false" && ["false", "f", "0"].contains(&found))
        }
        (_, Some(found)) => normal(text) == normal(found),
    }
}

/// The places where the table of a sheet is not what openpyxl reads.
async fn differences(world: &World, reading: &Reading) -> Vec<String> {
    let content = fs::read(&reading.file).unwrap();
    let sheet: Value = if reading.error.is_some() { Value::Null } else { json!(reading.sheet) };
    let done = world.import_with("t", content, json!({"sheet": sheet, "accept_rejected": true})).await;
    let output = match (done, &reading.error) {
        (_, Some(error)) => return vec![format!("openpyxl: {}", error.split('\n').next().unwrap_or_default())],
        (Err(failure), None) => return vec![failure.to_string()],
        (Ok(done), None) => done.output,
    };
    let order = if world.database.is_sqlite() { "rowid" } else { "ctid" };
    let names: Vec<_> =
        output["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    let list: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let table = world.database.cells(&format!("SELECT {} FROM t ORDER BY {order}", list.join(", "))).await;
    let Some((header, rows)) = reading.rows.split_first() else { return Vec::new() };
    let width = header.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    // Those beyond the header are named after their place.
    let place = |at: usize| if at < width { at } else { names[at]["column_".len()..].parse::<usize>().unwrap() - 1 };
    let mut differences = Vec::new();
    if table.len() != rows.len() {
        differences.push(format!("{} rows, not {}", table.len(), rows.len()));
    }
    for (row, (found, expected)) in table.iter().zip(rows).enumerate() {
        let mut cells = vec![None; expected.len()];
        for (at, field) in found.iter().enumerate() {
            let place = place(at);
            cells.resize(cells.len().max(place + 1), None);
            cells[place] = field.as_deref();
        }
        for (at, found) in cells.iter().enumerate() {
            let expected = expected.get(at).unwrap_or(&None);
            if !equals(expected, *found) {
                differences.push(format!("row {} column {}: {found:?}, not {expected:?}", row + 2, at + 1));
            }
        }
    }
    differences
}

over_both! {
    async fn each_sheet_is_what_openpyxl_reads(world) {
        let known = fs::read_to_string(folder().join("differences.txt")).unwrap();
        let known = known.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'));
        let mut missing: BTreeSet<String> = known.clone().map(|(place, _)| place.to_owned()).collect();
        let mut unknown = Vec::new();
        for reading in readings() {
            let file = reading.file.file_name().unwrap().to_string_lossy().into_owned();
            let place = if reading.error.is_some() { file } else { format!("{file} {}", reading.sheet) };
            let found = differences(world, reading).await;
            if !found.is_empty() && !missing.remove(&place) && !known.clone().any(|(known, _)| known == place) {
                unknown.push(format!("{place}: {}", found[..found.len().min(3)].join("; ")));
            }
        }
        assert!(unknown.is_empty(), "not said in differences.txt:\n{}", unknown.join("\n"));
        assert!(missing.is_empty(), "in differences.txt and no more: {missing:?}");
    }
}
