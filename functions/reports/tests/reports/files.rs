//! The content of the files: every value as the database has it, and nothing in them that does something.

use std::io::Cursor;

use calamine::{Data, Range, Reader, Xlsx};
use serde_json::{Value, json};

use crate::fixture::{Fixture, over_both, permanent_message};

/// A value of each type, in SQL that both databases understand; a table, because SQLite knows the types of columns alone.
const EVERYTHING: &str = "
    CREATE TABLE everything (n bigint, r double precision, d numeric(20,4), b boolean, day date, at timestamp, t text);
    INSERT INTO everything VALUES (1, 0.5, 12.5, true, '2026-11-22', '2026-11-22 05:06:07', 'a, \"b\"\nc');
    INSERT INTO everything VALUES (-9007199254740993, -1.5e-7, -3, false, '1899-01-01', '1999-12-31 23:59:59', '=1+1');
    INSERT INTO everything VALUES (NULL, NULL, NULL, NULL, NULL, NULL, NULL);";
const ALL: &str = "SELECT n, r, d, b, day, at, t FROM everything ORDER BY n DESC NULLS LAST";

fn sheet(book: Vec<u8>, name: &str) -> Range<Data> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(book)).unwrap();
    book.worksheet_range(name).unwrap()
}

/// The texts of the parts of a workbook whose names have a prefix.
fn parts(book: Vec<u8>, prefix: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), book).unwrap();
    let list = std::process::Command::new("python3")
        .args(["-c", "import sys,zipfile;z=zipfile.ZipFile(sys.argv[1]);print(''.join(z.read(n).decode() for n in z.namelist() if n.startswith(sys.argv[2])))"])
        .arg(file.path())
        .arg(prefix)
        .output()
        .unwrap();
    assert!(list.status.success());
    String::from_utf8(list.stdout).unwrap()
}

over_both! {
    async fn csv_is_as_spreadsheets_read_it(fixture) {
        fixture.database.execute(EVERYTHING).await;
        let text = fixture.text(ALL, "csv").await;
        let text = text.strip_prefix('\u{feff}').unwrap();
        let mut rows = text.split("\r\n");
        assert_eq!(rows.next(), Some("n,r,d,b,day,at,t"));
        let d = if fixture.database.is_sqlite() { ("12.5", "-3") } else { ("12.5000", "-3.0000") };
        let first = format!("1,0.5,{},true,2026-11-22,2026-11-22 05:06:07,\"a, \"\"b\"\"\nc\"", d.0);
        assert_eq!(rows.next(), Some(first.as_str()));
        let second = format!("-9007199254740993,-1.5e-7,{},false,1899-01-01,1999-12-31 23:59:59,'=1+1", d.1);
        assert_eq!(rows.next(), Some(second.as_str()));
        assert_eq!(rows.next(), Some(",,,,,,"));
        assert_eq!((rows.next(), rows.next()), (Some(""), None));
    }

    async fn json_lines_keep_types_and_all_digits(fixture) {
        fixture.database.execute(EVERYTHING).await;
        let text = fixture.text(ALL, "jsonl").await;
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("{\"n\":-9007199254740993,\"r\":-1.5e-7,\"d\":-3"), "{}", lines[1]);
        let first: Value = serde_json::from_str(lines[0]).unwrap();
        assert_eq!((&first["b"], &first["day"], &first["t"]), (&json!(true), &json!("2026-11-22"), &json!("a, \"b\"\nc")));
        let last: Value = serde_json::from_str(lines[2]).unwrap();
        assert!(last.as_object().unwrap().values().all(Value::is_null) && last.as_object().unwrap().len() == 7);
    }

    async fn a_workbook_has_numbers_days_and_texts_and_never_a_formula(fixture) {
        fixture.database.execute(EVERYTHING).await;
        let book = fixture.create_file(ALL, "xlsx").await;
        let data = sheet(book.clone(), "Data");
        assert_eq!((data.height(), data.width()), (3, 7), "the last row is empty");
        assert_eq!(data[(0, 4)], Data::String("day".into()));
        assert_eq!((&data[(1, 0)], &data[(1, 1)]), (&Data::Float(1.0), &Data::Float(0.5)));
        assert_eq!((&data[(1, 2)], &data[(1, 3)]), (&Data::Float(12.5), &Data::Bool(true)));
        let day = |cell: &Data| match cell {
            Data::DateTime(time) => time.as_f64(),
            other => panic!("{other:?}"),
        };
        // 22 November 2026, as sheets count days.
        assert_eq!(day(&data[(1, 4)]), 46_348.0);
        assert!((day(&data[(1, 5)]) - 46_348.212_581).abs() < 1e-6);
        // A double would change the last digit, and a sheet knows no days before 1900.
        assert_eq!(data[(2, 0)], Data::String("-9007199254740993".into()));
        assert_eq!(data[(2, 4)], Data::String("1899-01-01".into()));
        assert_eq!(data[(2, 6)], Data::String("=1+1".into()));
        let xml = parts(book, "xl/worksheets/");
        assert!(!xml.contains("<f>"), "{xml}");
        assert!(xml.contains("<autoFilter ref=\"A1:G4\"") && xml.contains("state=\"frozen\""), "{xml}");
    }

    async fn a_workbook_has_a_native_chart_of_its_points(fixture) {
        fixture.database.execute("CREATE TABLE s (state text, n integer); INSERT INTO s VALUES ('TX', 5), ('NY', -3), ('<&>', NULL)").await;
        for (kind, native) in [("bar", "c:barChart"), ("line", "c:lineChart")] {
            let toml = format!("[chart]\ntype = \"{kind}\"\nx = \"state\"\ny = \"n\"\n[[column]]\nname = \"n\"\nformat = \"integer\"");
            let book = fixture.create_file_with("SELECT state, n FROM s ORDER BY n DESC NULLS LAST", &toml, "xlsx").await;
            let points = sheet(book.clone(), "Chart");
            assert_eq!((&points[(1, 0)], &points[(1, 1)]), (&Data::String("TX".into()), &Data::Float(5.0)));
            assert_eq!((&points[(3, 0)], &points[(3, 1)]), (&Data::String("<&>".into()), &Data::Empty));
            let xml = parts(book.clone(), "xl/charts/");
            assert!(xml.contains(native) && xml.contains("Chart!$B$2:$B$4"), "{xml}");
            assert!(parts(book, "xl/styles").contains("#,##0"));
        }
    }

    async fn a_page_is_one_file_in_which_a_text_is_only_a_text(fixture) {
        let markup = "<script>alert(1)</script><img src=x onerror=alert(1)>";
        let sql = format!("SELECT '{markup}' AS \"<b>x</b>\", 2 AS n");
        let toml = format!(
            "description = '{markup}'\n[chart]\ntype = \"bar\"\nx = \"<b>x</b>\"\ny = [\"n\"]\n[[column]]\nname = \"n\"\ntitle = '</figcaption>{markup}'"
        );
        let page = String::from_utf8(fixture.create_file_with(&sql, &toml, "html").await).unwrap();
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
        for word in ["<script", "<img", "<b>", "href=", "src=x onerror=alert(1)>", "url("] {
            assert!(!page.contains(word), "{word}: {page}");
        }
        assert!(page.contains("<svg") && page.contains("<figcaption>") && page.contains("@media print"));
        assert!(page.contains("default-src 'none'") && page.contains("prefers-color-scheme: dark"));
        assert!(page.contains("<td class=\"n\">2</td>") && page.contains("1 row</p>"), "{page}");
        assert!(page.find("<svg").unwrap() < page.find("<table").unwrap(), "the chart stands above the table");
    }

    async fn a_report_of_no_rows_has_its_columns(fixture) {
        fixture.database.execute("CREATE TABLE e (a integer, b text)").await;
        let sql = "SELECT a, b FROM e";
        assert_eq!(fixture.text(sql, "csv").await, "\u{feff}a,b\r\n");
        assert_eq!(fixture.text(sql, "jsonl").await, "");
        let toml = "[chart]\ntype = \"line\"\nx = \"a\"\ny = \"a\"";
        assert_eq!(sheet(fixture.create_file_with(sql, toml, "xlsx").await, "Data")[(0, 1)], Data::String("b".into()));
        let page = String::from_utf8(fixture.create_file_with(sql, toml, "html").await).unwrap();
        assert!(page.contains("0 rows") && page.contains("There are no rows, so there is no chart."), "{page}");
    }

    async fn a_chart_of_a_column_that_is_not_there_is_refused_and_of_no_numbers_explained(fixture) {
        fixture.define("it", "SELECT 'a' AS word", "title = \"It\"\n[chart]\ntype = \"bar\"\nx = \"word\"\ny = \"nmber\"");
        let message = permanent_message(fixture.run(json!({"report": "it", "format": "html"})).await);
        assert_eq!(message, "The chart needs the column \"nmber\", which the query does not have; it has word.");
        fixture.wait_for_files(0).await;
        let toml = "[chart]\ntype = \"bar\"\nx = \"word\"\ny = \"word\"";
        let page = String::from_utf8(fixture.create_file_with("SELECT 'a' AS word", toml, "html").await).unwrap();
        assert!(page.contains("There is no chart: the column word holds no numbers."), "{page}");
    }

    async fn a_column_is_shown_as_its_definition_says(fixture) {
        let sql = "SELECT 12345.678 AS money, 0.5 AS part, '2026-01-02' AS code";
        let toml = "[[column]]\nname = \"money\"\nformat = \"number\"\n[[column]]\nname = \"part\"\ntitle = \"Share\"\nformat = \"percent\"\n[[column]]\nname = \"code\"\nformat = \"text\"";
        let page = String::from_utf8(fixture.create_file_with(sql, toml, "html").await).unwrap();
        assert!(page.contains(">12,345.68<") && page.contains(">50.0%<") && page.contains(">Share<"), "{page}");
        let data = sheet(fixture.create_file_with(sql, toml, "xlsx").await, "Data");
        assert_eq!(data[(1, 2)], Data::String("2026-01-02".into()));
    }
}

/// Types that SQLite does not have.
#[tokio::test]
async fn types_that_only_postgresql_has_are_written_as_it_writes_them() {
    let fixture = Fixture::new(crate::database::Database::postgres().await);
    let sql = "SELECT 12345678901234567890.123456789::numeric AS d, '{1,2}'::int[] AS a, '{\"k\": 1}'::jsonb AS j, \
               '1 day'::interval AS i, 'NaN'::float8 AS nan, '2026-01-02 03:04:05+02'::timestamptz AS at, NULL::int AS n";
    let csv = fixture.text(sql, "csv").await;
    assert_eq!(
        csv.lines().nth(1).unwrap(),
        "12345678901234567890.123456789,\"{1,2}\",\"{\"\"k\"\": 1}\",1 day,NaN,2026-01-02 01:04:05+00:00,"
    );
    let line = fixture.text(sql, "jsonl").await;
    assert!(line.starts_with("{\"d\":12345678901234567890.123456789,") && line.contains("\"nan\":\"NaN\""), "{line}");
    let data = sheet(fixture.create_file(sql, "xlsx").await, "Data");
    assert_eq!(data[(1, 0)], Data::String("12345678901234567890.123456789".into()));
    fixture.database.remove().await;
}
