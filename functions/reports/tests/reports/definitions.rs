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
        ("title = \"T\"\nformats = [\"pdf\"]".to_owned(), 2, "unknown variant `pdf`"),
        ("title = \"T\"\nformats = []".to_owned(), 2, "formats names at least one"),
        ("title = \"T\"\nallow = [\"finance\"]".to_owned(), 2, "\"finance\" is neither user:ID nor group:NAME"),
        ("title = \"T\"\n[chart]\ntype = \"pie\"\nx = \"a\"\ny = \"b\"".to_owned(), 3, "unknown variant `pie`"),
        ("title = \"T\"\n[chart]\ntype = \"bar\"\nx = \"a\"\ny = []".to_owned(), 5, "y names 1 to 8 columns"),
        ("title = \"T\"\n[chart]\ntype = \"bar\"\nx = \"a\"".to_owned(), 2, "missing field `y`"),
        ("title = \"T\"\n[[column]]\nname = \"a\"\nformat = \"money\"".to_owned(), 4, "unknown variant `money`"),
        ("title = \"T\"\n[[column]]\nname = \"a\"\n[[column]]\nname = \"a\"".to_owned(), 5, "\"a\" is there twice"),
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
            "it.sql:1: the parameter :a is not declared in it.toml",
            "it.toml:6: the parameter \"c\" is not used in it.sql",
            "it.toml:1: the title has 1 to 120 characters",
        ]
    );
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
