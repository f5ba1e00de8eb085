//! Values of every type: one stated form in each format, read back by other programs.

use serde_json::{Value, json};

use crate::{
    database::Database,
    fixture::{Fixture, over_both},
    readers::{pages, read},
};

/// Texts of the first row under the header.
fn first_row(rows: &Value) -> Vec<String> {
    rows[1].as_array().unwrap().iter().map(|field| field.as_str().unwrap().to_owned()).collect()
}

/// The cells of the first row under the header.
async fn cells(fixture: &Fixture, sql: &str, toml: &str) -> Value {
    read("xlsx", &fixture.create_file_with(sql, toml, "xlsx").await)["rows"]["Data"][1].clone()
}

over_both! {
    async fn a_text_that_begins_like_a_time_stays_a_text(fixture) {
        let texts = [
            "2026-11-22T05:00:00Z-host-7", "2026-11-22 05:00:00 BC", "2026-11-22 05:00 to 06:00", "2026-02-30",
            "2026-11-22 25:00:00", "2026-06-30 23:59:60",
        ];
        let columns: Vec<_> = texts.iter().enumerate().map(|(index, text)| format!("'{text}' AS c{index}")).collect();
        let sql = format!("SELECT {}", columns.join(", "));
        let cells = cells(fixture, &sql, "").await;
        for (cell, text) in cells.as_array().unwrap().iter().zip(texts) {
            assert_eq!(cell, &json!(["text", text]));
        }
        for format in ["csv", "csv-raw"] {
            assert_eq!(first_row(&read("csv", &fixture.create_file(&sql, format).await)), texts);
        }
        assert_eq!(read("html", &fixture.create_file(&sql, "html").await)["td"], json!(texts));
    }

    async fn an_instant_is_shown_on_the_clocks_of_the_zone_and_says_its_offset(fixture) {
        let instant = if fixture.database.is_sqlite() { "text" } else { "timestamptz" };
        let local = if fixture.database.is_sqlite() { "text" } else { "timestamp" };
        fixture.database.execute(&format!(
            "CREATE TABLE moments (summer {instant}, winter {instant}, day {instant}, plain {local});
             INSERT INTO moments VALUES ('2026-07-01 23:30:00+00', '2026-12-31 23:30:00.250-08', '2026-07-01 23:30:00+00', '2026-07-01 23:30:00')"
        )).await;
        let sql = "SELECT summer, winter, day, plain FROM moments";
        let toml = "time_zone = \"Europe/Berlin\"\n[[column]]\nname = \"day\"\nformat = \"date\"";
        let shown = ["2026-07-02 01:30:00+02:00", "2027-01-01 08:30:00.250+01:00", "2026-07-02", "2026-07-01 23:30:00"];
        let csv = read("csv", &fixture.create_file_with(sql, toml, "csv").await);
        let fraction = if fixture.database.is_sqlite() { "250" } else { "25" };
        let shown = shown.map(|text| text.replace("250", fraction));
        assert_eq!(first_row(&csv), shown);
        assert_eq!(read("html", &fixture.create_file_with(sql, toml, "html").await)["td"], json!(shown));
        assert_eq!(cells(fixture, sql, toml).await, json!([
            ["time", "2026-07-02T01:30:00", "yyyy-mm-dd hh:mm:ss\"+02:00\""],
            ["time", "2027-01-01T08:30:00.250000", "yyyy-mm-dd hh:mm:ss.000\"+01:00\""],
            ["time", "2026-07-02T00:00:00", "yyyy-mm-dd"],
            ["time", "2026-07-01T23:30:00", "yyyy-mm-dd hh:mm:ss"],
        ]));
        let text = pages(&fixture.create_file_with(sql, toml, "pdf").await).concat();
        assert!(shown.iter().all(|shown| text.contains(shown)), "{text}");
        let utc = first_row(&read("csv", &fixture.create_file(sql, "csv").await));
        assert_eq!(utc[0], "2026-07-01 23:30:00+00:00");
    }

    async fn a_number_keeps_all_its_digits_in_every_format(fixture) {
        let long = "12345678901234567890";
        let column = if fixture.database.is_sqlite() { "text" } else { "numeric" };
        fixture.database.execute(&format!(
            "CREATE TABLE numbers (d {column}, f {column}, i bigint); INSERT INTO numbers VALUES ('{long}', '{long}', 9007199254740993)"
        )).await;
        let sql = "SELECT d, f, i FROM numbers";
        let toml = "[[column]]\nname = \"f\"\nformat = \"integer\"\n[[column]]\nname = \"i\"\nformat = \"number\"";
        // SQLite knows no such number: there it is a text, and no format of numbers changes it.
        let grouped = if fixture.database.is_sqlite() { long } else { "12,345,678,901,234,567,890" };
        let page = read("html", &fixture.create_file_with(sql, toml, "html").await);
        assert_eq!(page["td"], json!([long, grouped, "9,007,199,254,740,993.00"]));
        let csv = read("csv", &fixture.create_file_with(sql, toml, "csv").await);
        assert_eq!(first_row(&csv), [long, long, "9007199254740993.00"], "a comma would be another country's point");
        let cells = cells(fixture, sql, toml).await;
        assert_eq!(cells, json!([["text", long], ["text", long], ["text", "9007199254740993"]]));
        let text = pages(&fixture.create_file_with(sql, toml, "pdf").await).concat();
        assert!(text.contains(long) && text.contains("9,007,199,254,740,993.00"), "{text}");
        let raw = first_row(&read("csv", &fixture.create_file_with(sql, toml, "csv-raw").await));
        assert_eq!(raw, [long, long, "9007199254740993"]);
        let line = String::from_utf8(fixture.create_file_with(sql, toml, "jsonl").await).unwrap();
        assert!(line.ends_with(",\"i\":9007199254740993}\n"), "{line}");
    }

    async fn two_columns_of_one_name_get_two(fixture) {
        let sql = "SELECT 1 AS n, 2 AS n, 3 AS m";
        let toml = "[[column]]\nname = \"m\"\ntitle = \"n\"";
        let line = String::from_utf8(fixture.create_file_with(sql, toml, "jsonl").await).unwrap();
        assert_eq!(line, "{\"n\":1,\"n_2\":2,\"m\":3}\n");
        let titles = json!(["n", "n_2", "n (2)"]);
        assert_eq!(read("csv", &fixture.create_file_with(sql, toml, "csv").await)[0], titles);
        assert_eq!(read("html", &fixture.create_file_with(sql, toml, "html").await)["th"], titles);
        let book = read("xlsx", &fixture.create_file_with(sql, toml, "xlsx").await);
        assert_eq!(book["rows"]["Data"][0], json!([["text", "n"], ["text", "n_2"], ["text", "n (2)"]]));
    }

    async fn no_title_is_a_formula(fixture) {
        for title in ["=HYPERLINK(\"http://x\")", "=Data!$A$1", "Data!A1", "=[x]!A1", "=(A1)", "+1+1", "plain"] {
            let sql = "SELECT 1 AS x, 2 AS y";
            let toml = format!(
                "[chart]\ntype = \"bar\"\nx = \"x\"\ny = \"y\"\n[[column]]\nname = \"x\"\ntitle = '{title}'\n[[column]]\nname = \"y\"\ntitle = '{title} y'"
            );
            let book = read("xlsx", &fixture.create_file_with(sql, &toml, "xlsx").await);
            assert_eq!(book["rows"]["Data"][0], json!([["text", title], ["text", format!("{title} y")]]));
            let (x, y) = (json!(["Chart!$A$1", [title]]), json!(["Chart!$B$1", [format!("{title} y")]]));
            assert_eq!(book["charts"]["Chart"], json!([[x, y, ["Chart!$B$1"]]]));
            assert_eq!(book["rows"]["Chart"][0][0], json!(["text", title]));
            let csv = read("csv", &fixture.create_file_with(sql, &toml, "csv").await);
            let harmless = if title.starts_with(['=', '+']) { format!("'{title}") } else { title.to_owned() };
            assert_eq!(csv[0][0], harmless);
        }
    }

    async fn csv_for_a_spreadsheet_holds_no_formula_in_any_country_and_csv_for_programs_every_value_as_it_is(fixture) {
        let texts = [
            ("=1+1", "'=1+1"), ("-2+3", "'-2+3"), ("x;=1+1", "x;'=1+1"), ("x\t@A1", "x\t'@A1"), ("x\n=A1", "x\n'=A1"),
            ("x;\"=1\";y", "x;\"'=1\";y"), ("\u{feff}=1", "'\u{feff}'=1"), ("x\u{feff}+A1", "x\u{feff}'+A1"), (" =1", "' =1"),
            ("-5", "-5"), ("x;-5", "x;-5"), ("a \"b\", c", "a \"b\", c"), ("", ""), (" x ", " x "),
        ];
        fixture.database.execute("CREATE TABLE texts (i integer, t text, u text)").await;
        for (index, (text, _)) in texts.iter().enumerate() {
            fixture.database.execute(&format!("INSERT INTO texts VALUES ({index}, '{text}', NULL)")).await;
        }
        let sql = "SELECT t, -5 AS n, -0.5 AS p, u FROM texts ORDER BY i";
        let toml = "[[column]]\nname = \"t\"\ntitle = \"Text\"\n[[column]]\nname = \"p\"\nformat = \"percent\"";
        let csv = read("csv", &fixture.create_file_with(sql, toml, "csv").await);
        assert_eq!(csv[0], json!(["Text", "n", "p", "u"]));
        let raw = fixture.create_file_with(sql, toml, "csv-raw").await;
        assert!(!raw.starts_with("\u{feff}".as_bytes()));
        let raw_rows = read("csv", &raw);
        assert_eq!(raw_rows[0], json!(["t", "n", "p", "u"]));
        for (index, (text, harmless)) in texts.iter().enumerate() {
            assert_eq!(csv[index + 1], json!([harmless, "-5", "-50.0%", ""]));
            assert_eq!(raw_rows[index + 1], json!([text, "-5", "-0.5", ""]));
        }
        let raw = String::from_utf8(raw).unwrap();
        assert!(raw.contains("\r\n\"\",-5,-0.5,\r\n"), "an empty text is not null: {raw}");
    }

    async fn letters_that_a_workbook_escapes_are_read_as_they_were(fixture) {
        let text = "_x0041_ \u{1} a\tb\n <&> \u{1f600} é";
        let cells = cells(fixture, &format!("SELECT '{text}' AS t"), "").await;
        // openpyxl leaves what is escaped as it is in the file.
        let read = cells[0][1].as_str().unwrap().replace("_x005F_", "_").replace("_x0001_", "\u{1}");
        assert_eq!(read, text);
    }
}

/// What each type of PostgreSQL is in each format: a text for a spreadsheet, a page, a PDF and programs.
#[tokio::test]
async fn every_type_of_postgresql_has_one_form_in_all_formats() {
    let fixture = Fixture::new(Database::postgres().await);
    fixture.database.execute("CREATE TYPE mood AS ENUM ('fine', '=bad')").await;
    // The expression, its text, its cell if that is none of the text, and its JSON if that is none.
    let types = [
        ("'NaN'::float8", "NaN", None, None),
        ("'-Infinity'::float8", "-Infinity", None, None),
        ("'Infinity'::numeric", "Infinity", None, None),
        ("'-0'::float8", "0", Some(json!(["number", "0", "General"])), Some("0.0")),
        ("0.1::float4", "0.1", Some(json!(["number", "0.1", "General"])), Some("0.1")),
        ("1e300::float8", "1e300", Some(json!(["number", "1e+300", "General"])), Some("1e+300")),
        ("4.9e-324::float8", "5e-324", None, Some("5e-324")),
        ("1.50::numeric", "1.50", Some(json!(["number", "1.5", "General"])), Some("1.50")),
        (
            "0.00000000000000000000012345678901234567::numeric",
            "0.00000000000000000000012345678901234567",
            None,
            Some("0.00000000000000000000012345678901234567"),
        ),
        ("date '0044-03-15 BC'", "0044-03-15 BC", None, None),
        ("date 'infinity'", "infinity", None, None),
        ("timestamptz '-infinity'", "-infinity", None, None),
        ("date '1899-12-31'", "1899-12-31", None, None),
        ("date '10000-01-01'", "10000-01-01", None, None),
        ("date '9999-12-31'", "9999-12-31", Some(json!(["time", "9999-12-31T00:00:00", "yyyy-mm-dd"])), None),
        ("time '05:06:07'", "05:06:07", None, None),
        ("timetz '05:06:07+02'", "05:06:07+02", None, None),
        ("interval '1 day 02:03'", "1 day 02:03:00", None, None),
        ("array[1, 2]", "{1,2}", None, None),
        ("'{\"k\": 1}'::jsonb", "{\"k\": 1}", None, None),
        ("'\\xff00'::bytea", "\\xff00", None, None),
        ("'6f1c2a34-0000-4000-8000-000000000001'::uuid", "6f1c2a34-0000-4000-8000-000000000001", None, None),
        ("true", "true", Some(json!(["boolean", "true"])), Some("true")),
        ("'fine'::mood", "fine", None, None),
        ("'-1'::money::text", "-$1.00", None, None),
    ];
    let columns: Vec<_> = types.iter().enumerate().map(|(at, (sql, ..))| format!("{sql} AS c{at}")).collect();
    let sql = format!("SELECT {}", columns.join(", "));
    let csv = first_row(&read("csv", &fixture.create_file(&sql, "csv").await));
    let raw = first_row(&read("csv", &fixture.create_file(&sql, "csv-raw").await));
    let page = read("html", &fixture.create_file(&sql, "html").await)["td"].clone();
    let cells = cells(&fixture, &sql, "").await;
    let line = String::from_utf8(fixture.create_file(&sql, "jsonl").await).unwrap();
    for (at, (sql, text, cell, json)) in types.iter().enumerate() {
        let is_sign = text.starts_with('-') && text.parse::<f64>().map_or(true, |number| !number.is_finite());
        let harmless = if is_sign { format!("'{text}") } else { (*text).to_owned() };
        assert_eq!(csv[at], harmless, "{sql}");
        assert_eq!((&raw[at], &page[at]), (&(*text).to_owned(), &json!(text)), "{sql}");
        assert_eq!(cells[at], cell.clone().unwrap_or_else(|| json!(["text", text])), "{sql}");
        let value = json.map_or_else(|| json!(text).to_string(), str::to_owned);
        assert!(line.contains(&format!("\"c{at}\":{value}")), "{sql}: {line}");
    }
    let text: String = pages(&fixture.create_file(&sql, "pdf").await).concat();
    let squeezed: String = text.split_whitespace().collect();
    for short in ["NaN", "infinity", "{1,2}", "fine", "true"] {
        assert!(squeezed.contains(short), "{short}: {text}");
    }
    fixture.database.execute("ALTER ROLE CURRENT_USER SET intervalstyle = 'iso_8601'").await;
    let other = first_row(&read("csv", &fixture.create_file("SELECT interval '1 day' AS i", "csv").await));
    fixture.database.execute("ALTER ROLE CURRENT_USER RESET intervalstyle").await;
    assert_eq!(other, ["1 day"], "however the database is set");
    fixture.database.remove().await;
}
