//! Several queries in one report: sheets of a workbook, sections of a page, files of an archive.

use serde_json::json;

use crate::{
    fixture::{Fixture, over_both, permanent_message},
    readers::{pages, read},
};

const QUERIES: &str = "-- Two of them.
-- name: orders
SELECT n, n * 10 AS amount FROM t WHERE n >= :least ORDER BY n;

-- name: totals
SELECT count(*) AS orders, sum(n) AS sum FROM t;
";
const SHEETS: &str = r#"
[[parameter]]
name = "least"
type = "integer"
default = 2

[[sheet]]
name = "orders"
title = "Orders ≥ 2"
[sheet.chart]
type = "bar"
x = "n"
y = "amount"
[[sheet.column]]
name = "amount"
title = "Amount"

[[sheet]]
name = "totals"
"#;

async fn create(fixture: &Fixture, format: &str) -> (serde_json::Value, Vec<u8>) {
    fixture
        .database
        .execute("DROP TABLE IF EXISTS t; CREATE TABLE t (n integer); INSERT INTO t VALUES (1), (2), (3)")
        .await;
    fixture.define("it", QUERIES, &format!("title = \"It\"\n{SHEETS}"));
    let done = fixture.run(json!({"report": "it", "format": format})).await.unwrap();
    let file = fixture.get(&done.output).await;
    (done.output, file)
}

over_both! {
    async fn a_workbook_has_a_sheet_for_each(fixture) {
        let (output, file) = create(fixture, "xlsx").await;
        let book = read("xlsx", &file);
        assert_eq!(book["sheets"], json!(["Orders ≥ 2", "Orders ≥ 2 chart", "totals", "About"]));
        let (orders, totals) = (&book["rows"]["Orders ≥ 2"], &book["rows"]["totals"]);
        assert_eq!(orders[0], json!([["text", "n"], ["text", "Amount"]]));
        assert_eq!((&orders[2][1][1], orders.as_array().unwrap().len()), (&json!("30"), 3));
        assert_eq!((&totals[1][0][1], &totals[1][1][1]), (&json!("3"), &json!("6")));
        assert_eq!(book["charts"]["Orders ≥ 2 chart"][0][0], json!(["'Orders ≥ 2 chart'!$A$1", ["n"]]));
        assert_eq!(output["rows"], 3);
    }

    async fn a_page_and_a_pdf_have_a_section_for_each(fixture) {
        let page = read("html", &create(fixture, "html").await.1);
        assert_eq!(page["h2"], json!(["Orders ≥ 2", "totals"]));
        assert_eq!(page["td"], json!(["2", "20", "3", "30", "3", "6"]));
        assert_eq!(page["th"], json!(["n", "Amount", "orders", "sum"]));
        let pages = pages(&create(fixture, "pdf").await.1);
        assert_eq!(pages.len(), 2);
        assert!(pages[0].contains("Orders ≥ 2") && pages[0].contains("2 rows"), "{}", pages[0]);
        assert!(pages[1].contains("totals") && pages[1].contains("Page 2 of 2"), "{}", pages[1]);
    }

    async fn files_of_one_table_come_in_an_archive(fixture) {
        for (format, name) in [("csv", "it_least-2.csv.zip"), ("jsonl", "it_least-2.jsonl.zip"), ("csv-raw", "it_least-2.raw.csv.zip")] {
            let (output, file) = create(fixture, format).await;
            assert!(output["href"].as_str().unwrap().ends_with(name), "{output}");
            assert_eq!(output["about"], json!(null));
            let parts = read("zip", &file);
            let ending = if format == "jsonl" { "jsonl" } else { "csv" };
            let orders = parts[format!("orders.{ending}")].as_str().unwrap();
            let expected = match format {
                "csv" => "n,Amount\r\n2,20\r\n3,30\r\n",
                "csv-raw" => "n,amount\r\n2,20\r\n3,30\r\n",
                _ => "{\"n\":2,\"amount\":20}\n{\"n\":3,\"amount\":30}\n",
            };
            assert_eq!(orders, expected);
            let about: serde_json::Value = serde_json::from_str(parts["about.json"].as_str().unwrap()).unwrap();
            assert_eq!((&about["sheets"][0]["rows"], &about["sheets"][1]["name"]), (&json!(2), &json!("totals")));
            assert_eq!(parts.as_object().unwrap().len(), 3);
        }
    }

    async fn all_queries_see_the_same_rows(fixture) {
        // The second query begins only when the writer has taken the first one's rows.
        fixture.database.execute("CREATE TABLE many (n integer); CREATE TABLE added (n integer)").await;
        fixture.database.execute("INSERT INTO many WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 200000) SELECT n FROM i").await;
        let sql = "-- name: one\nSELECT n, (SELECT count(*) FROM added) AS added FROM many;\n-- name: two\nSELECT count(*) AS added FROM added";
        fixture.define("it", sql, "title = \"It\"\n[[sheet]]\nname = \"one\"\n[[sheet]]\nname = \"two\"");
        let (context, mut progress) = fixture.context();
        let reports = fixture.open();
        let adding = async {
            progress.wait_for(|part| *part > 0.0).await.unwrap();
            fixture.database.execute("INSERT INTO added VALUES (1)").await;
        };
        let input = json!({"report": "it", "format": "jsonl"});
        let (done, ()) = tokio::join!(runtime::testing::run(&reports, &context, input), adding);
        let parts = read("zip", &fixture.get(&done.unwrap().output).await);
        assert_eq!(parts["two.jsonl"], json!("{\"added\":0}\n"));
        assert_eq!(fixture.database.count("added").await, 1);
    }

    async fn an_error_names_the_line_in_the_file_of_all_queries(fixture) {
        fixture.define("it", "-- name: a\nSELECT 1;\n-- name: b\nSELECT\n  missing", "title = \"It\"\n[[sheet]]\nname = \"a\"\n[[sheet]]\nname = \"b\"");
        let message = permanent_message(fixture.run(json!({"report": "it"})).await);
        assert!(message.contains("it.sql, line 5)") && message.contains("missing"), "{message}");
        fixture.wait_for_files(0).await;
    }
}
