//! Real files, of the npm package `vega-datasets`.

use std::{env, fs, path::PathBuf};

use serde_json::json;

use crate::world::{columns, over_both};

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
