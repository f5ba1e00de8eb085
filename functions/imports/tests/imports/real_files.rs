//! Real files: of the npm package `vega-datasets`, and of scikit-learn and statsmodels.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use imports::ImportsConfig;
use serde_json::{Value, json};

use crate::{
    database::Database,
    world::{World, columns, over_both},
};

fn folder() -> PathBuf {
    let folder = env::var_os("BELLWIRE_TEST_DATASETS");
    folder.expect("BELLWIRE_TEST_DATASETS is not set: run `make test`, which fetches the files").into()
}

over_both! {
    async fn airports(world) {
        let done = world.import_with("airports", fs::read(folder().join("airports.csv")).unwrap(), json!({})).await;
        let done = done.unwrap();
        assert_eq!(
            columns(&done.output),
            "iata text, name text, city text, state text, country text, latitude number, longitude number"
        );
        assert_eq!(done.output["rows"], 3376);
        assert!(done.toast.body.unwrap().starts_with("3,376 rows, 7 columns"));
        let jfk = world.rows("SELECT name, city, latitude FROM airports WHERE iata = 'JFK'").await;
        assert_eq!(jfk, ["John F Kennedy Intl|New York|40.63975111"]);
    }

    async fn zip_codes_keep_their_leading_zeros(world) {
        world.import(fs::read(folder().join("zipcodes.csv")).unwrap()).await;
        let first = world.rows("SELECT zip_code, city FROM t ORDER BY zip_code LIMIT 1").await;
        assert_eq!(first, ["00501|Holtsville"]);
    }

    async fn the_largest_of_all_and_every_other(world) {
        let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ext| ext == "csv")).collect();
        files.sort_by_key(|path| fs::metadata(path).unwrap().len());
        assert!(files.len() > 10);
        for file in files.iter().rev() {
            let output = world.import(fs::read(file).unwrap()).await;
            let mut reader = csv::ReaderBuilder::new().has_headers(true).from_path(file).unwrap();
            let rows = reader.byte_records().count() as u64;
            assert_eq!(output["rows"].as_u64(), Some(rows), "{}", file.display());
            assert!(output.get("rejected").is_none(), "{}", file.display());
        }
    }
}

/// The CSV files of a folder, by their path in it.
fn csv_files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(each) = folders.pop() {
        for entry in fs::read_dir(each).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.to_str().unwrap();
            match () {
                () if entry.is_dir() => folders.push(entry),
                () if name.ends_with(".csv") || name.ends_with(".csv.gz") => files.push(entry),
                () => {}
            }
        }
    }
    files.sort();
    files.into_iter().map(|file| file.strip_prefix(folder).unwrap().to_owned()).collect()
}

/// Every CSV of three packages, imported without a word about it, is what pandas reads, cell by cell, but for the
/// differences that are listed with their reasons. `options.json` has the files that need a word.
#[tokio::test]
async fn every_csv_of_three_packages_is_read_as_pandas_reads_it_but_for_what_is_listed() {
    let readers: PathBuf = env::var_os("BELLWIRE_TEST_READERS")
        .expect("BELLWIRE_TEST_READERS is not set: run `make test`, which fetches the files")
        .into();
    let about = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports/real_files");
    let options: Value = serde_json::from_slice(&fs::read(about.join("options.json")).unwrap()).unwrap();
    let config = ImportsConfig { tables_per_user: 1000, ..ImportsConfig::default() };
    let world = World::over(Database::sqlite()).with(config);
    let database = world.database.url();
    let database = Path::new(database.strip_prefix("sqlite://").unwrap());
    let (mut read, mut differences) = (Vec::new(), Vec::new());
    for (package, folder) in [("", readers.join("files")), ("vega/", folder())] {
        for path in csv_files(&folder) {
            let name = format!("{package}{}", path.display());
            let (table, path) = (format!("t{}", read.len()), folder.join(path));
            let given = &options[&name];
            let ours = given.get("ours").cloned().unwrap_or(json!({}));
            match world.import_with(&table, fs::read(&path).unwrap(), ours).await {
                Ok(done) => {
                    let output = &done.output;
                    differences
                        .extend(output["rejected"]["rows"].as_u64().map(|rows| format!("{name}: {rows} rejected")));
                    let notes = output["notes"].as_array().into_iter().flatten().filter_map(Value::as_str);
                    // Words for no value are compared: pandas knows the same.
                    let notes = notes.filter(|note| !note.contains("no value where"));
                    differences.extend(notes.map(|note| format!("{name}: {note}")));
                    let mut pandas = given.get("pandas").cloned().unwrap_or(json!({}));
                    // Listed as a note, and the rest is compared all the same.
                    if output["notes"].to_string().contains("no header") {
                        pandas["header"] = Value::Null;
                    }
                    read.push(json!({
                        "name": name, "path": path, "table": table, "columns": output["columns"],
                        "encoding": output["encoding"], "delimiter": output["delimiter"],
                        "pandas": pandas,
                    }));
                }
                Err(failure) => differences.push(format!("{name}: {failure}")),
            }
        }
    }
    let mut compare = Command::new(readers.join("venv/bin/python"))
        .arg(about.join("compare.py"))
        .arg(database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    compare.stdin.take().unwrap().write_all(&serde_json::to_vec(&read).unwrap()).unwrap();
    let compared = compare.wait_with_output().unwrap();
    assert!(compared.status.success());
    differences.extend(String::from_utf8(compared.stdout).unwrap().lines().map(str::to_owned));
    differences.sort();
    let listed = fs::read_to_string(about.join("differences.txt")).unwrap();
    let listed = listed.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let listed: Vec<_> = listed.collect();
    let new: Vec<_> = differences.iter().filter(|difference| !listed.contains(&difference.as_str())).collect();
    let gone: Vec<_> = listed.iter().filter(|line| !differences.iter().any(|difference| difference == *line)).collect();
    assert!(read.len() > 250, "only {} files: {new:#?}", read.len());
    assert!(new.is_empty() && gone.is_empty(), "not listed: {new:#?}\nlisted and gone: {gone:#?}");
}
