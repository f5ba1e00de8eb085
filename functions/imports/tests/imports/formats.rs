//! JSON Lines, workbooks, and packed files become the same tables as text with delimiters does.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::json;

use crate::world::{columns, over_both};

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(content: &[u8]) -> Vec<u8> {
    compress_to_vec(content, CompressionLevel::Fastest)
}

/// Two sheets: of people, and of something else.
fn people() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("People").unwrap();
    let day = Format::new().set_num_format("yyyy-mm-dd");
    let moment = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
    // Not in the first row, as people do it.
    for (column, name) in ["id", "zip", "born", "seen", "score", "member", "note", "sum"].iter().enumerate() {
        sheet.write(2, column as u16, *name).unwrap();
    }
    for (row, zip, score, note) in [(3, "00501", 1.5, "=1+1"), (5, "12345", 2.0, "a, \"b\"\nc é")] {
        sheet.write(row, 0, row - 2).unwrap();
        sheet.write(row, 1, zip).unwrap();
        sheet.write_with_format(row, 2, ExcelDateTime::from_ymd(1999, 12, 31).unwrap(), &day).unwrap();
        let seen = ExcelDateTime::from_ymd(2026, 11, 22).unwrap().and_hms(5, 30, 0).unwrap();
        sheet.write_with_format(row, 3, seen, &moment).unwrap();
        sheet.write(row, 4, score).unwrap();
        sheet.write(row, 5, row == 3).unwrap();
        sheet.write(row, 6, note).unwrap();
        // What a spreadsheet worked out, which may be wrong: it is taken as it is.
        sheet.write_formula(row, 7, Formula::new("=1+1").set_result("42")).unwrap();
    }
    let sheet = book.add_worksheet().set_name("Other").unwrap();
    sheet.write(0, 0, "a").unwrap();
    sheet.write(1, 0, 7).unwrap();
    book.save_to_buffer().unwrap()
}

over_both! {
    async fn json_lines_become_a_table_of_all_keys(world) {
        let lines = "{\"id\": 1, \"zip\": \"12345\", \"ok\": true, \"day\": \"2026-11-22\"}\n\
            \n{\"zip\": \"00501\", \"id\": 2.5, \"tags\": [\"a\", {\"b\": null}], \"note\": \"é\\n\\\"x\\\"\"}\n\
            {\"id\": null, \"day\": \"\"}\n";
        let output = world.import(lines).await;
        assert_eq!(columns(&output), "id number, zip text, ok boolean, day date, tags text, note text");
        assert_eq!((&output["rows"], &output["delimiter"]), (&json!(3), &json!("jsonl")));
        let rows = world.rows("SELECT id, zip, day, tags, note FROM t ORDER BY id").await;
        assert_eq!(rows.iter().filter(|row| *row == "NULL|NULL|NULL|NULL|NULL").count(), 1);
        assert!(rows.contains(&"1|12345|2026-11-22|NULL|NULL".to_owned()), "{rows:?}");
        assert!(rows.contains(&"2.5|00501|NULL|[\"a\", {\"b\": null}]|é\n\"x\"".to_owned()), "{rows:?}");
    }

    async fn a_key_that_comes_late_is_one_more_column(world) {
        let mut lines = String::new();
        // The sample is a mebibyte.
        for row in 0..60_000 {
            lines.push_str(&format!("{{\"n\": {row}, \"same\": \"x{row}\"}}\n"));
        }
        lines.push_str("{\"n\": 0.5, \"same\": \"y\", \"late\": \"2026-01-01\"}\n{\"n\": 7, \"later\": true}\n");
        let output = world.import(lines).await;
        assert_eq!(columns(&output), "n number, same text, late date, later boolean");
        assert_eq!(world.rows("SELECT count(*), count(same), count(late), count(later) FROM t").await, ["60002|60001|1|1"]);
        // A table that stays has the columns that it has.
        let append = json!({"mode": "append"});
        let lines = "{\"n\": 1}\n".repeat(60_000) + "{\"n\": 2, \"later\": null, \"new\": null}\n{\"n\": 3, \"new\": 1}\n{\"n\": 4}\n";
        let done = world.import_with("t", format!("{}{lines}", "{\"n\": 1}\n".repeat(80_000)), append).await.unwrap();
        let reason = "it has the key \"new\", which the table has not";
        assert_eq!(done.output["rejected"]["first"], json!([{"line": 140_002, "reason": reason}]));
        assert_eq!(world.rows("SELECT count(*) FROM t WHERE n = 4").await, ["2"]);
    }

    async fn a_line_that_is_no_object_is_rejected_with_what_it_is(world) {
        let lines = "{\"a\": 1}\n[1]\n{\"a\": 2\n{\"a\": \"caf\\ud800\"}\n{\"a\": 3, \"a\": 4}\n{\"a\": 5}\n";
        let done = world.import_with("t", lines, json!({})).await.unwrap();
        assert_eq!(world.rows("SELECT a FROM t ORDER BY a").await, ["1", "5"]);
        let first = done.output["rejected"]["first"].as_array().unwrap();
        let told: Vec<_> = first.iter().map(|row| (row["line"].as_u64().unwrap(), row["reason"].as_str().unwrap())).collect();
        assert_eq!(told.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert!(told[0].1.starts_with("it is no JSON object: invalid type: sequence"), "{told:?}");
        assert!(told[1].1.contains("EOF while parsing"), "{told:?}");
        assert_eq!(told[3].1, "it has the key \"a\" twice");
        let file = world.get(done.output["href"].as_str().unwrap()).await;
        assert!(file.contains("3,\"it is no JSON object: EOF while parsing an object, at 7\",\"{\"\"a\"\": 2\"\n"), "{file}");
    }

    async fn a_workbook_becomes_a_table_of_what_its_cells_hold(world) {
        let output = world.import(people()).await;
        assert_eq!(
            columns(&output),
            "id integer, zip text, born date, seen timestamp, score number, member boolean, note text, sum integer"
        );
        assert_eq!((&output["rows"], &output["delimiter"]), (&json!(2), &json!("xlsx")));
        let rows = "SELECT id, zip, born, CASE WHEN member THEN 'yes' ELSE 'no' END, note, sum, score FROM t ORDER BY id";
        assert_eq!(
            world.rows(rows).await,
            ["1|00501|1999-12-31|yes|=1+1|42|1.5", "3|12345|1999-12-31|no|a, \"b\"\nc é|42|2"]
        );
        assert_eq!(world.rows("SELECT count(*) FROM t WHERE seen > '2026-11-22 05:29'").await, ["2"]);
        let other = world.import_with("t", people(), json!({"sheet": "Other"})).await.unwrap();
        assert_eq!(columns(&other.output), "a integer");
        let words = world.refused_with(people(), json!({"sheet": "Missing"})).await;
        assert_eq!(words, "sheet: the workbook has no sheet \"Missing\"; it has: People, Other");
    }

    async fn rows_of_a_sheet_that_do_not_fit_are_told_by_their_number(world) {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        for (row, fields) in [["n", "m"], ["1", "x"], ["old", "y"]].iter().enumerate() {
            fields.iter().enumerate().for_each(|(column, field)| {
                sheet.write(row as u32, column as u16, *field).unwrap();
            });
        }
        sheet.write(3, 0, "a, b").unwrap();
        sheet.write_formula(3, 1, Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
        let given = json!({"columns": {"n": "integer"}, "accept_rejected": true});
        let done = world.import_with("t", book.save_to_buffer().unwrap(), given).await.unwrap();
        assert_eq!(world.rows("SELECT n, m FROM t").await, ["1|x"]);
        let file = world.get(done.output["href"].as_str().unwrap()).await;
        let expected = [
            "line,reason,row",
            "3,\"column n: \"\"old\"\" is no integer\",\"old,y\"",
            "4,\"column n: \"\"a, b\"\" is no integer\",\"\"\"a, b\"\",#DIV/0!\"",
        ];
        assert_eq!(file.lines().collect::<Vec<_>>(), expected);
    }

    async fn a_packed_file_is_what_is_in_it(world) {
        let csv = b"n,text\n1,a\n2,b\n";
        let members = [gzip(b"n,text\n1,a\n"), gzip(b""), gzip(b"2,b\n")].concat();
        let frames = [zstd(b"n,text\n1,a\n"), b"\x50\x2A\x4D\x18\x03\0\0\0abc".to_vec(), zstd(b"2,b\n")].concat();
        for packed in [gzip(csv), zstd(csv), members, frames] {
            let output = world.import(&packed).await;
            assert_eq!(columns(&output), "n integer, text text");
            assert_eq!(output["bytes"], packed.len());
            assert_eq!(world.rows("SELECT * FROM t ORDER BY n").await, ["1|a", "2|b"]);
        }
        world.import(gzip(b"{\"n\": 1}\n")).await;
        assert_eq!(world.rows("SELECT * FROM t").await, ["1"]);
        world.import(zstd("n\té\n1\tö\n".as_bytes())).await;
        assert_eq!(world.rows("SELECT n FROM t WHERE \"é\" = 'ö'").await, ["1"]);
    }

    async fn a_large_packed_file_is_read_twice_where_a_type_is_wider_than_it_looked(world) {
        let mut csv = "n\n".to_owned();
        (0..200_000).for_each(|row| csv.push_str(&format!("{row}\n")));
        csv.push_str("0.5\n");
        for packed in [gzip(csv.as_bytes()), zstd(csv.as_bytes())] {
            assert_eq!(columns(&world.import(&packed).await), "n number");
            assert_eq!(world.rows("SELECT count(*), max(n) FROM t").await, ["200001|199999"]);
        }
    }

    async fn what_somebody_says_of_a_file_counts_more_than_its_looks(world) {
        world.import_with("t", "{\"a\"},b\n{1},2\n", json!({"format": "csv"})).await.unwrap();
        assert_eq!(world.rows("SELECT b FROM t").await, ["2"]);
        world.import_with("t", "a;b\tc\n1\t2\n", json!({"format": "tsv"})).await.unwrap();
        assert_eq!(world.rows("SELECT c FROM t").await, ["2"]);
        let words = world.refused_with("a,b\n", json!({"format": "jsonl"})).await;
        assert!(words.starts_with("the file is not JSON Lines, an object on each line; line 1: it is no JSON"), "{words}");
        let words = world.refused_with("a,b\n", json!({"compression": "gzip"})).await;
        assert!(words.starts_with("the gzip archive "), "{words}");
        let words = world.refused_with("a,b\n", json!({"format": "xlsx"})).await;
        assert_eq!(words, "the workbook ends too early; it was cut off somewhere");
    }
}
