//! Workbooks: what their cells hold, and what lies beside the data.

use rust_xlsxwriter::{Format, Formula, Workbook};
use serde_json::json;

use crate::{
    archives::{book, sheet},
    world::{columns, over_both},
};

/// The parts of a workbook with several sheets, of which each has a name, a state and its rows.
fn sheets(of: &[(&str, &str, &str)]) -> Vec<u8> {
    let (mut list, mut relations, mut parts) = (String::new(), String::new(), Vec::new());
    for (at, (name, state, rows)) in of.iter().enumerate() {
        list += &format!("<sheet name=\"{name}\" sheetId=\"{at}\" {state} r:id=\"s{at}\"/>");
        relations += &format!(
            "<Relationship Id=\"s{at}\" Type=\"http://purl.oclc.org/ooxml/officeDocument/relationships/worksheet\" Target=\"/xl/worksheets/s{at}.xml\"/>"
        );
        parts.push((
            format!("xl/worksheets/s{at}.xml"),
            format!("<worksheet><sheetData>{rows}</sheetData></worksheet>"),
        ));
    }
    let list = format!("<workbook xmlns:r=\"r\"><sheets>{list}</sheets></workbook>");
    let relations = format!("<Relationships>{relations}</Relationships>");
    let mut all = vec![("xl/workbook.xml", list.as_bytes()), ("xl/_rels/workbook.xml.rels", relations.as_bytes())];
    all.extend(parts.iter().map(|(name, text)| (name.as_str(), text.as_bytes())));
    book(&all)
}

/// A row of texts.
fn row(number: u32, fields: &[&str]) -> String {
    let cells: String = fields.iter().map(|field| format!("<c t=\"str\"><v>{field}</v></c>")).collect();
    format!("<row r=\"{number}\">{cells}</row>")
}

/// A workbook of one column, each cell of which has attributes and content; and the formats of its styles.
fn column(cells: &[(&str, &str)], formats: &[&str], properties: &str) -> Vec<u8> {
    let rows: String = cells
        .iter()
        .enumerate()
        .map(|(at, (attributes, content))| format!("<row><c r=\"A{}\" {attributes}>{content}</c></row>", at + 2))
        .collect();
    let text = format!("<worksheet><sheetData><row><c t=\"str\"><v>a</v></c></row>{rows}</sheetData></worksheet>");
    let codes: String = formats
        .iter()
        .enumerate()
        .map(|(at, code)| format!("<numFmt numFmtId=\"{}\" formatCode=\"{code}\"/>", at + 164))
        .collect();
    let styles: String = formats.iter().enumerate().map(|(at, _)| format!("<xf numFmtId=\"{}\"/>", at + 164)).collect();
    let styles =
        format!("<styleSheet><numFmts>{codes}</numFmts><cellXfs><xf numFmtId=\"0\"/>{styles}</cellXfs></styleSheet>");
    let list =
        format!("<workbook xmlns:r=\"r\">{properties}<sheets><sheet name=\"S\" r:id=\"b\"/></sheets></workbook>");
    let relations = "<Relationships><Relationship Id=\"b\" Type=\"x/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"c\" Type=\"x/styles\" Target=\"styles.xml\"/></Relationships>";
    book(&[
        ("xl/worksheets/sheet1.xml", text.as_bytes()),
        ("xl/styles.xml", styles.as_bytes()),
        ("xl/workbook.xml", list.as_bytes()),
        ("xl/_rels/workbook.xml.rels", relations.as_bytes()),
    ])
}

fn number(value: &str) -> String {
    format!("<v>{value}</v>")
}

over_both! {
    async fn what_lies_beside_the_data_refuses_nothing(world) {
        let rows = format!("{}{}", row(1, &["a"]), row(2, &["1"]));
        for dimension in ["<dimension ref=\"A0:AZ0\"/>", "<dimension ref=\"B9\"/>", "<dimension/>", "<dimension ref=\"\"/>", "<dimension ref=\"A1:A1:A1\"/>", "<dimension ref=\"XFE1048577:A1\"/>"] {
            let text = format!("<worksheet>{dimension}<sheetData>{rows}</sheetData><drawing/></worksheet>");
            world.import(book(&[("xl/worksheets/sheet1.xml", text.as_bytes())])).await;
            assert_eq!(world.rows("SELECT a FROM t").await, ["1"], "{dimension}");
        }
        let lol = b"<!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>".as_slice();
        for (part, content) in [("xl/styles.xml", &b""[..]), ("xl/sharedStrings.xml", b""), ("xl/theme/theme1.xml", b"\xFF\xFE no xml <"), ("xl/drawings/drawing1.xml", lol), ("customXml/item1.xml", lol), ("docProps/app.xml", b"<"), ("[Content_Types].xml", b"")] {
            let kind = part.rsplit('/').next().unwrap().trim_end_matches(".xml");
            let relations = format!("<Relationships><Relationship Id=\"b\" Type=\"x/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"c\" Type=\"x/{kind}\" Target=\"/{part}\"/></Relationships>");
            world.import(book(&[(part, content), ("xl/_rels/workbook.xml.rels", relations.as_bytes())])).await;
            assert_eq!(world.rows("SELECT a FROM t").await, ["1"], "{part}");
        }
        // Sheets of macros, charts and dialogs are no tables.
        let list = "<workbook xmlns:r=\"r\"><sheets><sheet name=\"M\" r:id=\"m\"/><sheet name=\"C\" r:id=\"c\"/><sheet name=\"D\" r:id=\"d\"/><sheet name=\"S\" r:id=\"b\"/></sheets></workbook>";
        let relations = "<Relationships><Relationship Id=\"m\" Type=\"http://schemas.microsoft.com/office/2006/relationships/xlMacrosheet\" Target=\"macrosheets/sheet1.xml\"/><Relationship Id=\"c\" Type=\"x/chartsheet\" Target=\"c.xml\"/><Relationship Id=\"d\" Type=\"x/dialogsheet\" Target=\"d.xml\"/><Relationship Id=\"b\" Type=\"x/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>";
        world.import(book(&[("xl/workbook.xml", list.as_bytes()), ("xl/_rels/workbook.xml.rels", relations.as_bytes())])).await;
        assert_eq!(world.rows("SELECT a FROM t").await, ["1"]);
        // A name with a backslash, another case, no relations of the package.
        let text = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
        let relations = "<Relationships><Relationship Id=\"b\" Type=\"x/worksheet\" Target=\"worksheets/sheet7.xml\"/></Relationships>";
        let text = text.replace("<v>1</v>", "<v>7</v>");
        world.import(book(&[("XL\\WorkSheets\\Sheet7.xml", text.as_bytes()), ("xl/_rels/workbook.xml.rels", relations.as_bytes()), ("xl/worksheets/sheet7.xml.bak", b""), ("_rels/.rels", b"")])).await;
        assert_eq!(world.rows("SELECT a FROM t").await, ["7"]);
    }

    async fn an_error_is_no_value_and_said_and_its_row_stays(world) {
        let errors = ["#DIV/0!", "#N/A", "#SPILL!", "#CALC!", "#GETTING_DATA", "#FIELD!", "#BLOCKED!", "#WHATEVER"];
        let mut cells: Vec<_> = errors.map(|error| ("t=\"e\"", number(error))).to_vec();
        cells.push(("", number("5")));
        let cells: Vec<_> = cells.iter().map(|(attributes, content)| (*attributes, content.as_str())).collect();
        let done = world.import_with("t", column(&cells, &[], ""), json!({})).await.unwrap();
        assert_eq!((columns(&done.output).as_str(), &done.output["rows"]), ("a integer", &json!(9)));
        assert_eq!(world.rows("SELECT count(*), count(a), max(a) FROM t").await, ["9|1|5"]);
        assert_eq!(done.output["emptied"]["cells"], 8);
        assert_eq!(done.output["emptied"]["first"][2], json!({"line": 4, "column": "A", "reason": "the error #SPILL!"}));
        assert_eq!(done.toast.level, model::toast::Level::Warning);
        let body = done.toast.body.unwrap();
        assert!(body.ends_with("; 8 cells have no value, such as A2, which holds the error #DIV/0!"), "{body}");
    }

    async fn what_no_program_can_read_is_said_and_not_guessed(world) {
        let cells = [
            ("t=\"s\"", "<v>7</v>"),
            ("t=\"b\"", "<v>2</v>"),
            ("t=\"n\"", "<v>x</v>"),
            ("", "<v>1e999</v>"),
            ("", "<f>1+1</f>"),
            ("", "<f>1+1</f><v/>"),
            ("s=\"1\"", "<v>60</v>"),
            ("s=\"1\"", "<v>-1</v>"),
            ("s=\"1\"", "<v>2958466</v>"),
            ("", "<v>1</v>"),
        ];
        let done = world.import_with("t", column(&cells, &["yyyy-mm-dd"], ""), json!({})).await.unwrap();
        assert_eq!(done.output["emptied"]["cells"], 9);
        assert_eq!(world.rows("SELECT count(*), count(a), max(a) FROM t").await, ["10|1|1"]);
        let reasons: Vec<_> = done.output["emptied"]["first"].as_array().unwrap().iter().map(|cell| cell["reason"].as_str().unwrap()).collect();
        assert_eq!(reasons, ["a reference to a text that the workbook does not have", "neither true nor false", "a number that is none", "a number that is too large", "a formula whose result is not stored"]);
    }

    async fn a_cell_that_says_to_be_in_another_row_is_said_and_an_empty_one_does_no_harm(world) {
        let rows = "<row r=\"1\"><c r=\"A1\" t=\"str\"><v>a</v></c></row><row r=\"2\"><c r=\"A3\"><v></v></c></row><row r=\"3\"><c r=\"A9\"><v>7</v></c></row><row r=\"4\"><c r=\"A4\"><v>5</v></c></row>";
        let output = world.import(sheet(rows)).await;
        assert_eq!(output["emptied"]["first"], json!([{"line": 3, "column": "A", "reason": "a value of another row"}]));
        assert_eq!(world.rows("SELECT count(*), max(a) FROM t").await, ["2|5"]);
    }

    async fn days_and_times_are_those_that_spreadsheets_show(world) {
        let formats = ["[$-407]d. mmm yyyy", "h:mm", "[h]:mm:ss.000", "yyyy-mm-dd hh:mm:ss.000", "0%", "#,##0.00 &quot;d&quot;"];
        for (properties, style, serial, shown) in [
            ("", 1, "1", "1900-01-01"),
            ("", 1, "59", "1900-02-28"),
            ("", 1, "61", "1900-03-01"),
            ("", 1, "46348", "2026-11-22"),
            ("", 1, "2958465", "9999-12-31"),
            ("<workbookPr date1904=\"1\"/>", 1, "0", "1904-01-01"),
            ("<workbookPr date1904=\"true\"/>", 1, "44886", "2026-11-22"),
            ("", 2, "0.75", "18:00:00"),
            ("", 3, "1.50001", "36:00:00.864"),
            ("", 3, "-0.25", "-06:00:00"),
            ("", 4, "46348.250001446758", "2026-11-22 06:00:00.125"),
            ("", 5, "0.15", "0.15"),
            ("", 6, "1234.5", "1234.5"),
        ] {
            let style = format!("s=\"{style}\"");
            let output = world.import(column(&[(&style, &number(serial))], &formats, properties)).await;
            assert!(output.get("emptied").is_none(), "{output}");
            assert_eq!(world.rows("SELECT a FROM t").await, [shown], "{serial} {style} {properties}");
        }
    }

    async fn numbers_keep_their_digits_and_texts_their_letters(world) {
        for (attributes, content, expected) in [
            ("", "<v>9007199254740993</v>", "9007199254740993"),
            ("", "<v>12345678901234567890</v>", "12345678901234567890"),
            ("", "<v>0.10000000000000001</v>", "0.1"),
            ("t=\"inlineStr\"", "<is><t> 00501 </t></is>", " 00501 "),
            ("t=\"inlineStr\"", "<is><r><rPr><b/></rPr><t>a</t></r><r><t xml:space=\"preserve\"> b</t></r><rPh><t>no</t></rPh></is>", "a b"),
            ("t=\"str\"", "<f>A1</f><v>a_x000D_&#10;b_x005F_x000D_ &amp;&lt;</v>", "a\r\nb_x000D_ &<"),
            ("t=\"d\"", "<v>2026-11-22T05:00:00</v>", "2026-11-22T05:00:00"),
            ("", "<v><![CDATA[7]]></v>", "7"),
        ] {
            world.import(column(&[(attributes, content)], &[], "")).await;
            assert_eq!(world.rows("SELECT replace(CAST(a AS text), ' 05', 'T05') FROM t").await, [expected], "{content}");
        }
        world.import(column(&[("t=\"b\"", "<v>1</v>"), ("t=\"b\"", "<v>false</v>"), ("t=\"str\"", "<f>x</f><v></v>")], &[], "")).await;
        assert_eq!(world.rows("SELECT sum(CASE WHEN a THEN 1 WHEN NOT a THEN 10 END), count(*) FROM t").await, ["11|2"]);
    }

    async fn the_first_sheet_with_values_is_taken_and_the_others_are_named(world) {
        let rows = |name: &str| format!("{}{}", row(1, &["a"]), row(2, &[name]));
        let content = sheets(&[("Empty", "", "<row r=\"1\"><c r=\"A1\"/></row>"), ("Hidden", "state=\"veryHidden\"", &rows("h")), ("Data &amp; more", "", &rows("d")), ("Other", "", &rows("o"))]);
        let done = world.import_with("t", &content, json!({})).await.unwrap();
        assert_eq!(world.rows("SELECT a FROM t").await, ["d"]);
        assert_eq!((&done.output["sheet"], &done.output["other_sheets"]), (&json!("Data & more"), &json!(["Other"])));
        assert!(done.toast.body.unwrap().ends_with("; only the sheet \"Data & more\" of 2"));
        for (sheet, value) in [(json!("Other"), "o"), (json!(" other"), "o"), (json!(2), "h"), (json!("Hidden"), "h"), (json!(["2026", "Other", "Hidden"]), "o")] {
            let output = world.import_with("t", &content, json!({"sheet": sheet})).await.unwrap().output;
            assert_eq!(world.rows("SELECT a FROM t").await, [value], "{sheet}");
            assert!(output.get("other_sheets").is_none());
        }
        for (sheet, words) in [(json!("Missing"), "\"Missing\""), (json!(9), "at position 9"), (json!(0), "at position 0"), (json!(["a", "b"]), "\"a\" or \"b\"")] {
            let told = world.refused_with(&content, json!({"sheet": sheet})).await;
            assert_eq!(told, format!("sheet: the workbook has no sheet {words}; it has: Empty, Hidden, Data & more, Other"));
        }
        assert!(world.refused_with(&content, json!({"sheet": {}})).await.starts_with("input.sheet: "));
        let hidden = sheets(&[("Empty", "", ""), ("Hidden", "state=\"hidden\"", &rows("h"))]);
        assert_eq!(world.refused(&hidden).await, "the sheet has no header, only empty cells");
    }

    async fn a_value_beside_the_table_has_a_column_of_its_own(world) {
        let cell = |place: &str, value: &str| format!("<c r=\"{place}\" t=\"str\"><v>{value}</v></c>");
        let mut rows = format!("<row r=\"1\">{}</row><row r=\"2\">{}{}</row>", cell("A1", "a"), cell("A2", "x"), cell("H2", "note"));
        // After the rows that tell the types, and before the other column.
        for number in 3..6000 {
            rows += &format!("<row r=\"{number}\">{}</row>", cell(&format!("A{number}"), "y"));
        }
        rows += &format!("<row r=\"6000\">{}{}{}</row>", cell("A6000", "z"), cell("C6000", "c"), cell("H6000", "h"));
        let output = world.import(sheet(&rows)).await;
        assert_eq!(columns(&output), "a text, column_8 text, column_3 text");
        assert_eq!(world.rows("SELECT a, column_3, column_8 FROM t WHERE a <> 'y' ORDER BY a").await, ["x|NULL|note", "z|c|h"]);
        let told = world.import_with("t", sheet(&rows), json!({"mode": "append"})).await.unwrap();
        let reason = "it has a value in column C, and the header ends at A";
        assert_eq!(told.output["rejected"]["first"], json!([{"line": 6000, "reason": reason}]));
        world.database.execute("DROP TABLE t").await;
        world.import("a\nx\n").await;
        let done = world.import_with("t", sheet(&rows), json!({"mode": "append"})).await;
        let Err(error) = done else { panic!("{done:?}") };
        assert!(error.to_string().contains("the file has a column column_8 that the table t has not"), "{error}");
        let definition = "title = \"T\"\ntable = \"d\"\n[[column]]\nname = \"a\"\ntype = \"text\"\n";
        let world = world.defining(&[("d", definition)]);
        let done = world.import_by("d", sheet(&rows), json!({})).await.unwrap();
        assert_eq!((&done.output["rows"], &done.output["ignored"]), (&json!(5999), &json!(["column_8", "column_3"])));
    }

    async fn formulas_merged_and_hidden_cells_are_what_the_sheet_holds(world) {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        for (column, name) in ["a", "b", "c"].iter().enumerate() {
            sheet.write(0, column as u16, *name).unwrap();
        }
        sheet.merge_range(1, 0, 2, 0, "merged", &Format::new()).unwrap();
        sheet.write_formula(1, 1, Formula::new("=1+1").set_result("2")).unwrap();
        sheet.write(2, 1, 3).unwrap();
        sheet.write(3, 2, "hidden").unwrap();
        sheet.set_row_hidden(3).unwrap();
        sheet.set_column_hidden(1).unwrap();
        world.import(book.save_to_buffer().unwrap()).await;
        assert_eq!(world.rows("SELECT a, b, c FROM t").await, ["merged|2|NULL", "NULL|3|NULL", "NULL|NULL|hidden"]);
    }
}
