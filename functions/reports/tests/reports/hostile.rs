//! Queries that write, never end, return too much or reach out: refused with a message, and nothing is left.

use std::time::{Duration, Instant};

use reports::{OpenError, ReportsConfig};
use runtime::Failure;
use serde_json::json;

use crate::fixture::{Fixture, over_both, permanent_message};

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE i < 0";
const TEN_MILLION: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000) SELECT i FROM n";

/// Opening with this query must fail; returns the message.
fn open_error(fixture: &Fixture, sql: &str) -> String {
    fixture.define("it", sql, "title = \"It\"");
    match fixture.try_open(fixture.config()) {
        Err(error @ OpenError::Definitions(_)) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened: {sql}"),
    }
}

async fn permanent_error_with(fixture: &Fixture, config: ReportsConfig, sql: &str, format: &str) -> String {
    fixture.define("it", sql, "title = \"It\"");
    let reports = fixture.try_open(config).unwrap();
    permanent_message(
        runtime::testing::run(&reports, &fixture.context().0, json!({"report": "it", "format": format})).await,
    )
}

over_both! {
    async fn what_is_not_one_query_is_refused_at_start(fixture) {
        fixture.database.execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)").await;
        for sql in [
            "DELETE FROM t",
            "INSERT INTO t VALUES (2) RETURNING a",
            "DROP TABLE t",
            "ATTACH DATABASE '/tmp/x' AS x",
            "PRAGMA writable_schema = 1",
            "COPY (SELECT 1) TO PROGRAM 'touch /tmp/x'",
            "SELECT 1; DELETE FROM t",
            "SELECT 1 /* ' */; DELETE FROM t --'",
            "SELECT 1; COMMIT; DELETE FROM t",
            "DO $$ BEGIN DELETE FROM t; END $$",
            "SET TRANSACTION READ WRITE",
            "EXPLAIN ANALYZE DELETE FROM t",
        ] {
            let message = open_error(fixture, sql);
            assert!(message.contains("it.sql:1: "), "{sql}: {message}");
        }
    }

    async fn a_query_that_writes_is_refused_by_the_database(fixture) {
        fixture.database.execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)").await;
        let mut writers = vec!["WITH x(a) AS (SELECT 1) DELETE FROM t"];
        if !fixture.database.is_sqlite() {
            fixture.database.execute("
                CREATE SEQUENCE s;
                CREATE FUNCTION wipe() RETURNS integer LANGUAGE sql AS 'DELETE FROM t RETURNING a';").await;
            writers.extend([
                "WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x",
                "SELECT * INTO u FROM t",
                "SELECT a FROM t FOR UPDATE",
                "SELECT wipe()",
                "SELECT nextval('s')",
                "SELECT set_config('transaction_read_only', 'off', true), wipe()",
            ]);
        } else {
            writers.extend([
                "SELECT load_extension('x')",
                "SELECT * FROM pragma_journal_mode('delete')",
                "SELECT * FROM pragma_database_list",
                "SELECT readfile('/etc/passwd')",
                "SELECT writefile('/tmp/x', 'x')",
                "SELECT edit('x')",
                "SELECT fts3_tokenizer('x', x'00')",
            ]);
        }
        for sql in writers {
            let message = fixture.permanent_error(sql).await;
            assert!(message.contains("it.sql"), "{sql}: {message}");
        }
        assert_eq!(fixture.database.count("t").await, 1);
        fixture.wait_for_files(0).await;
    }

    async fn what_a_server_lets_a_reader_do_is_not_kept(fixture) {
        if !fixture.database.is_sqlite() {
            // PostgreSQL 15 lets it happen in a transaction that only reads.
            fixture.define("it", "SELECT lo_create(0) AS made", "title = \"It\"");
            if let Ok(done) = fixture.run(json!({"report": "it", "format": "jsonl"})).await {
                let line: serde_json::Value = serde_json::from_slice(&fixture.get(&done.output).await).unwrap();
                let sql = format!("pg_largeobject_metadata WHERE oid = {}", line["made"].as_str().unwrap());
                assert_eq!(fixture.database.count(&sql).await, 0);
            }
        }
    }

    async fn a_query_that_is_wrong_is_reported_with_its_line(fixture) {
        let message = fixture.permanent_error("SELECT 1,\n  missing\nFROM nowhere").await;
        assert!(message.starts_with("The query of the report failed (it.sql"), "{message}");
        assert!(message.contains("nowhere"), "{message}");
        let message = fixture.permanent_error("SELECT 1,\n  missing").await;
        assert!(message.contains("it.sql, line 2)") && message.contains("missing"), "{message}");
    }

    async fn a_query_that_never_ends_is_ended_at_its_limit(fixture) {
        let mut queries = vec![ENDLESS];
        if !fixture.database.is_sqlite() {
            queries.push("SELECT pg_sleep(60)");
            queries.push("SELECT set_config('statement_timeout', '0', true), pg_sleep(60)");
        }
        for sql in queries {
            let started = Instant::now();
            let config = ReportsConfig { statement_timeout: Duration::from_millis(300), ..fixture.config() };
            let message = permanent_error_with(fixture, config, sql, "csv").await;
            assert_eq!(message, "The query of it took longer than 0.3 seconds (reports.statement_timeout).");
            assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        }
        fixture.wait_for_files(0).await;
    }

    async fn a_task_that_is_taken_back_ends_its_query_within_a_second(fixture) {
        fixture.database.execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)").await;
        fixture.define("it", &ENDLESS.replace("SELECT 1 UNION", "SELECT a FROM t UNION"), "title = \"It\"");
        let reports = fixture.open();
        let (context, _) = fixture.context();
        let stopping = async {
            if !fixture.database.is_sqlite() {
                wait_until_running(fixture, true).await;
            }
            context.stop.cancel();
            Instant::now()
        };
        let run = runtime::testing::run(&reports, &context, json!({"report": "it", "format": "xlsx"}));
        let (ended, stopped) = tokio::join!(run, stopping);
        assert!(matches!(ended, Err(Failure::Stopped)), "{ended:?}");
        assert!(stopped.elapsed() < Duration::from_secs(1), "{:?}", stopped.elapsed());
        if !fixture.database.is_sqlite() {
            wait_until_running(fixture, false).await;
        }
        fixture.wait_for_files(0).await;
    }

    async fn a_report_beyond_a_limit_fails_whole(fixture) {
        for format in ["csv", "xlsx", "html", "pdf", "jsonl", "csv-raw"] {
            let config = ReportsConfig { row_limit: 20_000, ..fixture.config() };
            let message = permanent_error_with(fixture, config, TEN_MILLION, format).await;
            assert_eq!(message, "The report has more than 20000 rows (reports.row_limit); nothing was kept. Ask for less.");
            let config = ReportsConfig { byte_limit: 100_000, ..fixture.config() };
            let message = permanent_error_with(fixture, config, TEN_MILLION, format).await;
            assert_eq!(message, "The report is larger than 100000 bytes (reports.byte_limit); nothing was kept. Ask for less.");
        }
        fixture.wait_for_files(0).await;
    }

    async fn what_a_sheet_cannot_hold_is_reported(fixture) {
        let long = if fixture.database.is_sqlite() { "printf('%.*c', 40000, 'x')" } else { "repeat('x', 40000)" };
        let message = permanent_error_with(fixture, fixture.config(), &format!("SELECT {long} AS words"), "xlsx").await;
        assert!(message.contains("The column words of row 1 has more than 32767 characters"), "{message}");
        // An emoji takes two of them.
        let long = long.replace("40000, 'x'", "17000, '😀'").replace("'x', 40000", "'😀', 17000");
        let message = permanent_error_with(fixture, fixture.config(), &format!("SELECT {long} AS words"), "xlsx").await;
        assert!(message.contains("The column words of row 1 has more than 32767 characters"), "{message}");
        let sql = TEN_MILLION.replace("10000000", "1048576");
        let message = permanent_error_with(fixture, fixture.config(), &sql, "xlsx").await;
        assert_eq!(message, "The report has more than 1048575 rows, which no sheet can hold; take CSV.");
    }
}

/// Waits until the query runs on the server, or no longer does.
async fn wait_until_running(fixture: &Fixture, expected: bool) {
    let mut connection = fixture.database.connect().await;
    let started = Instant::now();
    loop {
        // Of all that runs there, this scenario's alone has to do with its table.
        let sql = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) \
                   WHERE relation = 't'::regclass AND state = 'active' AND query LIKE 'FETCH ALL%'";
        let running: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        if (running > 0) == expected {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "the query runs: {running}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_value_in_sqlite_has_a_largest_size() {
    let fixture = Fixture::new(crate::database::Database::sqlite());
    let message = fixture.permanent_error("SELECT randomblob(900000000)").await;
    assert!(message.contains("too big"), "{message}");
}
