//! How a file is read: what it shows is found out, what may be two things is neither, and whoever imports it may say.

use runtime::Function;
use serde_json::{Value, json};

use crate::world::{World, columns, over_both};

fn first_rejected(output: &Value) -> Vec<String> {
    let first = output["rejected"]["first"].as_array().cloned().unwrap_or_default();
    let told = |row: &Value| format!("{} {}", row["line"], row["reason"].as_str().unwrap());
    first.iter().map(told).collect()
}

async fn import(world: &World, content: &str, fields: Value) -> Value {
    world.import_with("t", content, fields).await.unwrap().output
}

over_both! {
    async fn signs_beside_numbers_stay_what_they_are(world) {
        for (sign, byte) in [("£5", 0xA3), ("±1", 0xB1), ("5 µm", 0xB5), ("1¼", 0xBC), ("©", 0xA9)] {
            let symbol = sign.chars().find(|letter| !letter.is_ascii()).unwrap();
            let (before, after) = sign.split_once(symbol).unwrap();
            let content = [b"id,v\n1,", before.as_bytes(), &[byte], after.as_bytes(), b"\n2,3\n"].concat();
            let output = world.import(content).await;
            assert_eq!((&output["encoding"], &output["certainty"]), (&json!("windows-1252"), &json!("guess")));
            assert_eq!(world.rows("SELECT v FROM t WHERE id = 1").await, [sign]);
        }
    }

    async fn the_encoding_is_told_with_how_sure_it_is_and_may_be_chosen(world) {
        let done = world.import_with("t", b"a\ncaf\x82\n", json!({})).await.unwrap();
        assert_eq!(done.output["certainty"], "guess");
        assert!(done.toast.body.unwrap().ends_with("read as windows-1252, which is a guess"));
        for (encoding, content) in [("cp437", &b"a\ncaf\x82\n"[..]), ("cp850", b"a\ncaf\x82\n"), ("macintosh", b"a\ncaf\x8E\n")] {
            let done = world.import_with("t", content, json!({"encoding": encoding})).await.unwrap();
            assert_eq!((&done.output["encoding"], &done.output["certainty"]), (&json!(encoding), &json!("given")));
            assert!(!done.toast.body.unwrap().contains("guess"));
            assert_eq!(world.rows("SELECT a FROM t").await, ["café"]);
        }
        assert_eq!(world.import("a\né\n").await["certainty"], "certain");
    }

    async fn what_a_text_is_shows_once_it_is_decoded(world) {
        let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        for (content, delimiter) in [
            (utf_16("\u{FEFF}{\"a\": 1, \"b\": \"é\"}\n{\"a\": 2, \"b\": \"y\"}\n"), "jsonl"),
            (utf_16("{\"a\": 1, \"b\": \"é\"}\n{\"a\": 2, \"b\": \"y\"}\n"), "jsonl"),
            (utf_16("a\tb\r\n1\té\r\n2\ty\r\n"), "tab"),
            (b"[\"a\", \"b\"]\n[1, \"\xC3\xA9\"]\n[2, \"y\"]\n".to_vec(), "jsonl"),
            (b"\x1E{\"a\": 1,\n\"b\": \"\xC3\xA9\"}\n\x1E{\"a\": 2, \"b\": \"y\"}\n".to_vec(), "jsonl"),
            (b"\xEF\xBB\xBFsep=;\r\na;b\r\n1;\xC3\xA9\r\n2;y\r\n".to_vec(), ";"),
            (b"\xEF\xBB\xBF\xEF\xBB\xBFa,b\n1,\xC3\xA9\n2,y\n".to_vec(), ","),
        ] {
            let output = world.import(&content).await;
            assert_eq!((columns(&output).as_str(), &output["delimiter"]), ("a integer, b text", &json!(delimiter)));
            assert_eq!(world.rows("SELECT a, b FROM t ORDER BY a").await, ["1|é", "2|y"]);
        }
        world.import("PAR1,PAR2\n1,x\n").await;
        assert_eq!(world.rows("SELECT * FROM t").await, ["1|x"]);
    }

    async fn what_is_no_table_is_refused_by_its_name(world) {
        let utf_16: Vec<u8> = "\u{FEFF}<html><table>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (content, words) in [
            (&b"<table><tr><td>1</td></tr></table>"[..], "the file is a web page (HTML) with a table, whatever its name says"),
            (&utf_16, "the file is a web page (HTML) with a table"),
            (b"<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\"/>", "the file is an Excel workbook of 2003 (XML)"),
            (b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n", "the file is a PDF"),
            (b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR", "the file is a PNG picture"),
            (b"SQLite format 3\0\x10\0\x01\x01\0\x40", "the file is a SQLite database"),
            (b"PAR1\x15\x04\x15\x10", "the file is a Parquet file"),
            (b"\xFF\xFE\0\0a\0\0\0\n\0\0\0", "the file is text in UTF-32"),
        ] {
            let told = world.refused(content).await;
            assert!(told.starts_with(words), "{told}");
        }
    }

    async fn one_stray_quote_costs_its_own_lines_and_no_row_is_made_of_them(world) {
        let csv = "id,name\n1,\"Ada\" x\n2,Bob\n3,\"Cy\n4,Di\n5,\"Ed\n6,Flo\n7,\"Gil\"\n";
        let output = import(world, csv, json!({})).await;
        assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, ["2|Bob", "6|Flo", "7|Gil"]);
        let after = "text follows the closing quote in line 6, which opens in line 4";
        let told = first_rejected(&output);
        assert_eq!(told[0], "2 it has text after a closing quote");
        assert_eq!(told[1..], [4, 5, 6].map(|line| format!("{line} {after}")));
    }

    async fn quote_escape_comment_header_and_lines_before_it_may_be_given(world) {
        let text = "made by x\n# note\n'it''s; so';1\n# note\n'b';2\n";
        let given = json!({"delimiter": ";", "quote": "'", "comment": "#", "skip": 1, "header": false});
        let output = import(world, text, given).await;
        assert_eq!(columns(&output), "column_1 text, column_2 integer");
        assert_eq!(world.rows("SELECT * FROM t ORDER BY column_2").await, ["it's; so|1", "b|2"]);
        import(world, "a,b\n\"x \\\"y\\\"\",1\n", json!({"escape": "\\"})).await;
        assert_eq!(world.rows("SELECT a FROM t").await, ["x \"y\""]);
        import(world, "a,b\n\"x,1\n", json!({"quote": "none"})).await;
        assert_eq!(world.rows("SELECT a FROM t").await, ["\"x"]);
        let told = world.refused_with("a\n", json!({"delimiter": ";", "quote": ";"})).await;
        assert_eq!(told, "quote: it is the same character as delimiter");
    }

    async fn a_file_that_shows_how_it_is_written_is_read_so_and_the_result_says_it(world) {
        let csv = "Sales of May\n\nday;price;n;name\n31.12.2026;1.234,50;NA;a\n01.02.2026;-2,5;7;NA\n";
        let output = import(world, csv, json!({})).await;
        assert_eq!(columns(&output), "day date, price number, n integer, name text");
        assert_eq!(world.rows("SELECT day, price, n, name FROM t ORDER BY price").await, ["2026-02-01|-2.5|7|NA", "2026-12-31|1234.5|NULL|a"]);
        assert_eq!(
            output["notes"],
            json!([
                "the first 2 lines are no part of the table",
                "column day: the day stands before the month",
                "column price: a comma stands before fractions",
                "column n: no value where it says NA"
            ])
        );
    }

    async fn what_may_be_two_things_is_neither(world) {
        let csv = "n;m;day\n1,234;1.234;01/02/2026\n";
        let output = import(world, csv, json!({})).await;
        assert_eq!(columns(&output), "n text, m number, day text");
        assert_eq!(world.rows("SELECT * FROM t").await, ["1,234|1.234|01/02/2026"]);
        let notes = output["notes"].to_string();
        assert!(notes.contains("may be two numbers") && notes.contains("may be two days"), "{notes}");
        for (given, row) in [
            (json!({"decimal": ",", "dates": "dmy"}), "1.234|1.234|2026-02-01"),
            (json!({"thousands": ",", "dates": "mdy"}), "1234|1.234|2026-01-02"),
            (json!({"decimal": ",", "thousands": ".", "dates": "dmy"}), "1.234|1234|2026-02-01"),
        ] {
            import(world, csv, given).await;
            assert_eq!(world.rows("SELECT * FROM t").await, [row]);
        }
        let given = json!({"columns": {"n": "number", "day": "date"}});
        let told = world.refused_with(csv, given.clone()).await;
        assert!(told.contains("column n: \"1,234\" is no number as far as is known; say what stands before fractions"), "{told}");
        let told = world.refused_with("n;m;day\n1;1;01/02/2026\n", given).await;
        assert!(told.contains("column day: \"01/02/2026\" is no date as far as is known; say the order"), "{told}");
    }

    async fn an_empty_field_more_than_the_header_has_is_none(world) {
        let output = import(world, "a;b\n1;x;\n2;y;;\n3;z; \n4;w;5\n6\n", json!({})).await;
        assert_eq!(world.rows("SELECT * FROM t ORDER BY a").await, ["1|x", "2|y", "3|z"]);
        assert_eq!(first_rejected(&output), ["5 it has 3 fields, the header 2", "6 it has 1 field, the header 2"]);
    }

    async fn words_for_no_value_may_be_given(world) {
        import(world, "a,b\n-,x\n1,n/a\n", json!({"nulls": ["-", "n/a"]})).await;
        assert_eq!(world.rows("SELECT * FROM t WHERE b = 'x' OR a = 1 ORDER BY a").await.len(), 2);
        assert_eq!(world.rows("SELECT count(a), count(b) FROM t").await, ["1|1"]);
    }

    async fn one_moment_is_one_value_and_moments_sort(world) {
        let upsert = json!({"mode": "upsert", "key": ["at"]});
        let first = "at,n\n2026-11-22T05:00:00Z,1\n2026-11-22T05:00:00.5Z,2\n2026-11-22 08:00:00+02,3\n";
        import(world, first, upsert.clone()).await;
        let again = "at,n\n2026-11-22T06:00:00+01:00,4\n2026-11-22 05:00Z,5\n2026-11-22T06:00:00Z,6\n";
        import(world, again, upsert).await;
        assert_eq!(world.rows("SELECT n FROM t ORDER BY at").await, ["5", "2", "6"]);
        import(world, "at,n\n2026-11-22,1\n2026-11-22T01:00,2\n2026-11-22 23:00:00,3\n", json!({})).await;
        assert_eq!(world.rows("SELECT n FROM t ORDER BY at").await, ["1", "2", "3"]);
        assert_eq!(world.rows("SELECT count(*) FROM t WHERE at = '2026-11-22 00:00:00'").await, ["1"]);
    }

    async fn lines_are_counted_whatever_ends_them(world) {
        let given = json!({"columns": {"a": "integer"}});
        for text in ["a\n1\n\nx\n2\n", "a\r\n1\r\n\r\nx\r\n2\r\n", "a\r1\r\rx\r2\r", "a\n1\r\n\rx\r\n2"] {
            let output = import(world, text, given.clone()).await;
            assert_eq!(first_rejected(&output), ["4 column a: \"x\" is no integer"], "{text:?}");
            assert_eq!(world.rows("SELECT a FROM t ORDER BY a").await, ["1", "2"]);
        }
    }

    async fn a_preview_tells_how_a_file_would_be_read_and_imports_nothing(world) {
        let csv = "sep=;\nday;price;n\n31.12.2026;1.234,50;1\n01.02.2026;-2,5;\n\"x\" y;1;2\n";
        let done = world.import_with("t", csv, json!({"preview": true})).await.unwrap();
        let preview = done.output;
        assert!(!world.database.has("t").await);
        assert_eq!(
            preview["columns"],
            json!([
                {"name": "day", "from": "day", "type": "date", "dates": "dmy"},
                {"name": "price", "from": "price", "type": "number", "decimal": ",", "thousands": "."},
                {"name": "n", "from": "n", "type": "integer", "decimal": ",", "thousands": "."}
            ])
        );
        assert_eq!(preview["first_rows"], json!([["2026-12-31", "1234.50", "1"], ["2026-02-01", "-2.5", null]]));
        assert_eq!(preview["first_rejected"], json!([{"line": 5, "reason": "it has text after a closing quote"}]));
        for (field, value) in [
            ("encoding", json!("utf-8")),
            ("certainty", json!("certain")),
            ("delimiter", json!(";")),
            ("quote", json!("\"")),
            ("skip", json!(1)),
            ("header", json!(true)),
            ("table", json!("t")),
        ] {
            assert_eq!(preview[field], value, "{field}");
        }
        let output = import(world, csv, json!({})).await;
        assert_eq!(output["rows"], 2);
    }

    async fn a_definition_says_how_its_files_are_read_and_what_its_form_asks(world) {
        let sales = "
            title = \"Sales\"
            table = \"sales\"
            ask = [\"encoding\", \"dates\"]
            [file]
            delimiter = \";\"
            decimal = \",\"
            thousands = \".\"
            nulls = [\"k. A.\"]
            skip = 1
            [[column]]
            name = \"day\"
            type = \"date\"
            [[column]]
            name = \"price\"
            type = \"number\"
        ";
        let world = world.defining(&[("sales", sales)]);
        let fields: Vec<_> = world.imports.offers()[0].fields.iter().map(|field| field.path.clone()).collect();
        assert_eq!(fields, ["file", "sheet", "accept_rejected", "encoding", "dates"]);
        let csv = "May\nday;price\n01/02/2026;1.234\n03/04/2026;k. A.\n";
        world.import_by("sales", csv, json!({"dates": "dmy"})).await.unwrap();
        assert_eq!(world.rows("SELECT day, price FROM sales ORDER BY day").await, ["2026-02-01|1234", "2026-04-03|NULL"]);
        let told = world.import_by("sales", csv, json!({"decimal": "."})).await.unwrap_err().to_string();
        assert_eq!(told, "decimal: the definition sales says it; leave it out");
    }
}
