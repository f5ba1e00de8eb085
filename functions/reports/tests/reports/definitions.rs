//! Definitions that are wrong: each is reported with its file and line, all at once, and nothing starts.

use std::fs;

use reports::{OpenError, ReportsConfig};

use crate::{database::Database, fixture::Fixture};

/// All faults of one definition.
fn faults_of(sql: &str, toml: &str) -> Vec<String> {
    let fixture = Fixture::new(Database::sqlite());
    fixture.define("it", sql, toml);
    faults(&fixture)
}

fn faults(fixture: &Fixture) -> Vec<String> {
    match fixture.try_open(fixture.config()) {
        Ok(_) => Vec::new(),
        Err(OpenError::Definitions(faults)) => faults.faults.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_field_that_is_wrong_is_reported_with_its_line() {
    let parameter = |rest: &str| format!("title = \"T\"\n[[parameter]]\nname = \"p\"\n{rest}");
    for (toml, line, expected) in [
        ("".to_owned(), 1, "missing field `title`"),
        ("title = \"T\"\ncolour = 1".to_owned(), 2, "unknown field `colour`"),
        ("title = \" \"".to_owned(), 1, "the title has 1 to 120 characters"),
        ("title = 5".to_owned(), 1, "invalid type: integer `5`"),
        ("title = \"never closed".to_owned(), 1, "invalid basic string"),
        ("title = \"T\"\nformats = [\"docx\"]".to_owned(), 2, "unknown variant `docx`"),
        ("title = \"T\"\nformats = []".to_owned(), 2, "formats names at least one"),
        ("title = \"T\"\nallow = [\"finance\"]".to_owned(), 2, "\"finance\" is neither user:ID nor group:NAME"),
        ("title = \"T\"\n[chart]\ntype = \"pie\"\nx = \"a\"\ny = \"b\"".to_owned(), 3, "unknown variant `pie`"),
        ("title = \"T\"\n[chart]\ntype = \"bar\"\nx = \"a\"\ny = []".to_owned(), 5, "y names 1 to 8 columns"),
        ("title = \"T\"\n[chart]\ntype = \"bar\"\nx = \"a\"".to_owned(), 2, "missing field `y`"),
        ("title = \"T\"\n[[column]]\nname = \"a\"\nformat = \"money\"".to_owned(), 4, "unknown variant `money`"),
        ("title = \"T\"\n[[column]]\nname = \"a\"\n[[column]]\nname = \"a\"".to_owned(), 5, "\"a\" is there twice"),
        ("title = \"T\"\ntime_zone = \"Mars\"".to_owned(), 2, "\"Mars\" is no time zone"),
        ("title = \"T\"\n[[sheet]]\nname = \"a\"".to_owned(), 2, "a line \"-- name: …\" names each query of it.sql"),
        (parameter(""), 2, "missing field `type`"),
        (parameter("type = \"money\""), 4, "unknown variant `money`"),
        (parameter("type = \"integer\"\ndefault = \"x\""), 5, "default: \"x\" is not a whole number"),
        (parameter("type = \"month\"\ndefault = 2026-11-01"), 5, "default: \"2026-11-01\" is not a month"),
        (parameter("type = \"integer\"\nchoices = [\n1,\n\"2\"]"), 7, "choices: \"2\" is not a whole number"),
        (parameter("type = \"integer\"\nchoices = [1, 2]\ndefault = 3"), 6, "default: 3 is none of its choices: 1, 2"),
        (parameter("type = \"text\"\nrequire = true"), 5, "unknown field `require`"),
    ] {
        let sql = if toml.contains("[[parameter]]") { "SELECT :p" } else { "SELECT 1" };
        let faults = faults_of(sql, &toml);
        let start = format!("it.toml:{line}: ");
        assert!(
            faults.len() == 1 && faults[0].starts_with(&start) && faults[0].contains(expected),
            "{toml}\n{faults:#?}"
        );
    }
}

#[test]
fn a_parameter_is_declared_and_used_and_everything_wrong_is_reported_at_once() {
    let faults = faults_of(
        "SELECT :a,\n  :b -- :c",
        "title = \"\"\n[[parameter]]\nname = \"b\"\ntype = \"text\"\n[[parameter]]\nname = \"c\"\ntype = \"text\"",
    );
    assert_eq!(
        faults,
        [
            "it.toml:1: the title has 1 to 120 characters",
            "it.sql:1: the parameter :a is not declared in it.toml",
            "it.toml:6: the parameter \"c\" is not used in it.sql",
        ]
    );
}

#[test]
fn every_sheet_has_a_query_and_a_name_that_a_workbook_takes() {
    let sheet = |rest: &str| format!("title = \"T\"\n[[sheet]]\nname = \"a\"\n[[sheet]]\nname = \"b\"\n{rest}");
    let queries = "-- name: a\nSELECT 1;\n-- name: b\nSELECT 2";
    assert_eq!(faults_of(queries, &sheet("title = \"Bees\"")), [""; 0]);
    for (sql, toml, fault) in [
        (queries, sheet("title = \"A\""), "it.toml:6: the title \"A\" is there twice"),
        (queries, sheet("title = \"a/b\""), "it.toml:6: the title of a sheet has no '/'"),
        (queries, sheet("title = \"About\""), "it.toml:6: the title \"About\" is taken by another sheet of a workbook"),
        (
            queries,
            sheet(&format!("title = \"{}\"", "x".repeat(32))),
            "it.toml:6: the title of a sheet has 1 to 31 characters",
        ),
        (queries, sheet("[[sheet]]\nname = \"c\""), "it.toml:7: it.sql has no query \"-- name: c\""),
        (&*format!("{queries};\n-- name: c\nSELECT 3"), sheet(""), "it.sql:5: no [[sheet]] has the name \"c\""),
        (queries, "title = \"T\"".to_owned(), "it.toml:1: it.sql has several queries: each needs a [[sheet]]"),
        (
            queries,
            format!("chart = {{ type = \"bar\", x = \"a\", y = \"b\" }}\n{}", sheet("")),
            "it.toml:1: with [[sheet]] a chart is one of a sheet: [sheet.chart]",
        ),
        (
            &queries.replace("SELECT 2", "DELETE FROM t"),
            sheet(""),
            "it.sql:4: a report only reads: it begins with SELECT, WITH or VALUES, not with DELETE",
        ),
        (
            &queries.replace("SELECT 2", "SELECT\n :p"),
            sheet(""),
            "it.sql:5: the parameter :p is not declared in it.toml",
        ),
        (queries, sheet("[sheet.chart]\ntype = \"bar\"\nx = \"a\"\ny = []"), "it.toml:9: y names 1 to 8 columns"),
    ] {
        assert_eq!(faults_of(sql, &toml), [fault], "{toml}");
    }
}

#[test]
fn a_report_is_two_files_of_a_plain_name() {
    let fixture = Fixture::new(Database::sqlite());
    let folder = fixture.definitions();
    fs::write(folder.join("alone.sql"), "SELECT 1").unwrap();
    fs::write(folder.join("lonely.toml"), "title = \"T\"").unwrap();
    fs::write(folder.join("Big Name.sql"), "SELECT 1").unwrap();
    fs::write(folder.join("notes.md"), "# none of ours").unwrap();
    fixture.define("binary", "SELECT 1", "title = \"T\"");
    fs::write(folder.join("binary.sql"), [0xff, 0xfe]).unwrap();
    let faults = faults(&fixture);
    assert_eq!(faults.len(), 4, "{faults:#?}");
    assert!(faults[0].starts_with("Big Name.toml: its name has 1 to 64"), "{faults:#?}");
    assert_eq!(faults[1], "alone.toml: it is missing");
    assert_eq!(faults[2], "binary.sql: it is not UTF-8");
    assert_eq!(faults[3], "lonely.sql: it is missing");
}

#[test]
fn a_folder_that_is_not_there_and_an_address_that_is_none_are_named() {
    let fixture = Fixture::new(Database::sqlite());
    let config = ReportsConfig { definitions: "/nowhere/at/all".into(), ..fixture.config() };
    let message = fixture.try_open(config).err().unwrap().to_string();
    assert!(message.starts_with("reports.definitions (BELLWIRE_REPORTS__DEFINITIONS):\n"), "{message}");
    assert!(message.contains("/nowhere/at/all: it is missing"), "{message}");
    for url in ["mysql://u:hunter2@h/d", "postgres://u:hunter2@h:none/d", "sqlite://"] {
        let config = ReportsConfig { database_url: url.to_owned(), ..fixture.config() };
        assert!(!format!("{config:?}").contains("hunter2"));
        let message = fixture.try_open(config).err().unwrap().to_string();
        assert!(message.starts_with("reports.database_url (BELLWIRE_REPORTS__DATABASE_URL): "), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    assert!(fixture.try_open(ReportsConfig::default()).is_ok(), "without a folder there are no reports");
}
