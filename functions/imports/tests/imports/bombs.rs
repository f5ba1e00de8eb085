//! Files that are small and whose values are not: each is refused by the limit it exceeds, and nothing of it stays.

use imports::ImportsConfig;
use serde_json::json;
use storage::FileKey;

use crate::{archives::book, formats::gzip, world::over_both};

const TOO_MANY_TIMES: &str = "the file's values come to more than 200 times its size, so it is not read further; import \
    it unpacked, or a workbook as CSV";

/// A workbook that holds one text of so many bytes once, and refers to it in so many rows after so many small ones.
fn repeated(bytes: usize, small: usize, rows: usize) -> Vec<u8> {
    let text = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(bytes));
    let cell = |row: usize| match row {
        1 => "<row r=\"1\"><c r=\"A1\" t=\"str\"><v>a</v></c></row>".to_owned(),
        row if row <= small => format!("<row r=\"{row}\"><c r=\"A{row}\" t=\"str\"><v>y</v></c></row>"),
        row => format!("<row r=\"{row}\"><c r=\"A{row}\" t=\"s\"><v>0</v></c></row>"),
    };
    let cells: String = (1..=small + rows).map(cell).collect();
    let cells = format!("<worksheet><sheetData>{cells}</sheetData></worksheet>");
    let relations = "<Relationships><Relationship Id=\"b\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"c\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings\" Target=\"sharedStrings.xml\"/></Relationships>";
    book(&[
        ("xl/sharedStrings.xml", text.as_bytes()),
        ("xl/worksheets/sheet1.xml", cells.as_bytes()),
        ("xl/_rels/workbook.xml.rels", relations.as_bytes()),
    ])
}

over_both! {
    async fn a_text_that_a_workbook_holds_once_does_not_fill_the_database(world) {
        assert_eq!(world.import(repeated(10, 1, 3)).await["rows"], 3, "as such it is a good workbook");
        world.database.execute("DROP TABLE t").await;
        // In the rows that tell the types, and after them.
        for small in [1, 6000] {
            let bomb = repeated(100_000, small, 900);
            assert!(bomb.len() < 100_000, "{}", bomb.len());
            assert_eq!(world.refused(bomb).await, TOO_MANY_TIMES);
        }
        assert!(!world.database.has("t").await);
        assert_eq!(world.rows("SELECT count(*) FROM bellwire_imports").await, ["1"]);
    }

    async fn rows_without_the_keys_of_the_others_are_counted_at_the_tables_width(world) {
        let keys: Vec<_> = (0..1500).map(|key| format!("\"k{key}\":1")).collect();
        let lines = format!("{{{}}}\n{}", keys.join(","), "{}\n".repeat(150_000));
        assert_eq!(world.refused(&lines).await, TOO_MANY_TIMES);
        assert_eq!(world.refused(gzip(lines.as_bytes())).await, TOO_MANY_TIMES);
        assert!(!world.database.has("t").await);
    }

    async fn values_have_a_limit_whatever_the_format(world) {
        let world = world.with(ImportsConfig { value_limit: 1 << 20, ..ImportsConfig::default() });
        let words = "the file's values come to more than 1 MiB, the most that is allowed (imports.value_limit)";
        let csv = format!("a,b\n{}", "some text,and more\n".repeat(100_000));
        let lines = "{\"a\":\"some text\",\"b\":\"and more\"}\n".repeat(100_000);
        for content in [csv.clone().into_bytes(), csv.replace(',', "\t").into_bytes(), lines.into_bytes(), gzip(csv.as_bytes()), repeated(1000, 1, 2000)] {
            assert_eq!(world.refused(content).await, words);
        }
        assert_eq!(world.import("a\n1\n").await["rows"], 1);
    }

    async fn keys_are_no_longer_than_a_header(world) {
        let line = |key: char| format!("{{\"{}\":1}}\n", key.to_string().repeat(400_000));
        let lines: String = ['a', 'b', 'c'].map(line).concat();
        let words = world.refused(lines).await;
        assert_eq!(words, "with line 3 the keys come to more than 1 MiB, more than a header may have");
    }

    async fn the_file_of_rejected_rows_has_a_limit_and_keeps_the_rows_until_it(world) {
        let world = world.with(ImportsConfig { rejected_bytes: 1 << 20, ..ImportsConfig::default() });
        let bad = format!("{},x,x\n", "y".repeat(100_000));
        let csv = |rows: usize| format!("a,b\n{}{}", "1,2\n".repeat(1000), bad.repeat(rows));
        assert_eq!(world.import(csv(10)).await["rejected"]["rows"], 10);
        let (context, _) = world.context();
        let input = json!({"file": world.put(csv(11)).await, "table": "t"});
        let words = world.run(&context, input).await.unwrap_err().to_string();
        assert!(words.starts_with("rows of more than 1 MiB in all (imports.rejected_bytes) do not fit, so nothing was imported; the first: line 1002: "), "{words}");
        let key = FileKey::new(&context.task.to_string(), "rejected.csv".parse().unwrap()).unwrap();
        let kept = world.files().get(&key).await.unwrap().bytes;
        assert!((1 << 20..(1 << 20) + 110_000).contains(&kept), "{kept}");
    }

    async fn a_cell_in_the_last_column_makes_no_row_wide(world) {
        let row = |row: usize, column: &str| format!("<row r=\"{row}\"><c r=\"{column}{row}\"><v>1</v></c></row>");
        let far = crate::archives::sheet(&row(1, "XFD"));
        assert!(world.refused(far).await.starts_with("the file has 16384 columns; a table of "));
        let rows: String = (2..1000).map(|at| row(at, "A")).collect();
        let far = crate::archives::sheet(&format!("{}{rows}{}", row(1, "A"), row(1000, "XFD")));
        assert_eq!(world.import(far).await["columns"].as_array().unwrap().len(), 2);
    }
}
