//! What an operator wrote down: what a file becomes, who may import it, and which tables may be touched.

use std::{env, fs, path::Path};

use imports::{DatabaseConfig, Imports, ImportsConfig};
use runtime::{Failure, Function};
use serde_json::json;
use tempfile::TempDir;

use crate::world::{World, columns, over_both};

const PEOPLE: &str = "
title = \"People\"
table = \"people\"
mode = \"upsert\"
modes = [\"append\", \"replace\"]
key = [\"id\"]

[[column]]
name = \"id\"
type = \"integer\"
required = true
min = 1

[[column]]
name = \"zip\"
type = \"text\"
pattern = \"[0-9]{5}\"

[[column]]
name = \"born\"
from = \"Date of birth\"
type = \"date\"
max = 2026-11-22

[[column]]
name = \"country\"
type = \"text\"
default = \"USA\"

[[column]]
name = \"score\"
type = \"number\"
max = 1.5
";

async fn refused(world: &World, definition: &str, content: &str, fields: serde_json::Value) -> String {
    match world.import_by(definition, content, fields).await {
        Err(Failure::Permanent { message, .. }) => message,
        other => panic!("not refused: {other:?}"),
    }
}

over_both! {
    async fn a_definition_says_what_a_file_becomes(world) {
        let world = world.defining(&[("people", PEOPLE)]);
        let csv = "zip,id,extra,Date of birth,country\n00501,1,x,1999-12-31,\n12345,2,y,,Palau\n";
        let done = world.import_by("people", csv, json!({})).await.unwrap();
        assert_eq!(columns(&done.output), "zip text, id integer, born date, country text");
        assert_eq!((&done.output["definition"], &done.output["ignored"]), (&json!("people"), &json!(["extra"])));
        // All its columns are there, in its order, whatever the file has.
        let all = world.rows("SELECT * FROM people ORDER BY id").await;
        assert_eq!(all, ["1|00501|1999-12-31|USA|NULL", "2|12345|NULL|Palau|NULL"]);
        world.import_by("people", "id,score\n2,1.5\n", json!({})).await.unwrap();
        let all = world.rows("SELECT * FROM people ORDER BY id").await;
        assert_eq!(all, ["1|00501|1999-12-31|USA|NULL", "2|12345|NULL|USA|1.5"]);
        world.import_by("people", "{\"id\": 3, \"other\": 1}\n", json!({"mode": "replace"})).await.unwrap();
        assert_eq!(world.rows("SELECT * FROM people").await, ["3|NULL|NULL|USA|NULL"]);
        world.import_by("people", "id,zip\n3,00501\n", json!({"mode": "append"})).await.unwrap();
        assert_eq!(world.rows("SELECT count(*) FROM people").await, ["2"]);
    }

    async fn a_declared_key_of_json_lines_may_come_late_and_others_change_nothing(world) {
        let world = world.defining(&[("people", PEOPLE)]);
        world.import_by("people", "id,zip,score,country\n1,00501,1,Palau\n2,12345,1,Palau\n", json!({})).await.unwrap();
        // The sample is a mebibyte.
        let mut lines = "{\"id\": 9, \"other\": 1}\n".repeat(60_000);
        lines.push_str("{\"id\": 1, \"score\": 0.5, \"country\": \"Fiji\", \"another\": 2}\n{\"id\": 2, \"score\": 7}\n");
        let done = world.import_by("people", lines, json!({})).await.unwrap();
        assert_eq!(done.output["rejected"]["first"][0]["reason"], "column score: 7 is more than 1.5");
        let all = world.rows("SELECT id, zip, score, country FROM people ORDER BY id").await;
        assert_eq!(all, ["1|00501|0.5|Fiji", "2|12345|1|Palau", "9|NULL|NULL|USA"]);
    }

    async fn a_row_that_breaks_it_is_rejected_with_line_and_reason(world) {
        let world = world.defining(&[("people", PEOPLE)]);
        let csv = "id,zip,Date of birth,score\n1,00501,2000-01-01,1\n0,,,\n,,,\n3,501,,\n4,,2027-01-01,\n5,,,1.51\n6,,,\n";
        let done = world.import_by("people", csv, json!({})).await.unwrap();
        let rejected = done.output["rejected"]["first"].as_array().unwrap();
        let told: Vec<_> = rejected.iter().map(|row| format!("{} {}", row["line"], row["reason"].as_str().unwrap())).collect();
        assert_eq!(
            told,
            [
                "3 column id: 0 is less than 1",
                "4 column id: it is empty, and it is a key",
                "5 column zip: \"501\" does not match its pattern",
                "6 column born: 2027-01-01 is more than 2026-11-22",
                "7 column score: 1.51 is more than 1.5",
            ]
        );
        assert_eq!(world.rows("SELECT id FROM people ORDER BY id").await, ["1", "6"]);
    }

    async fn a_file_without_a_required_column_is_refused(world) {
        let world = world.defining(&[("people", PEOPLE)]);
        let words = refused(&world, "people", "zip,Date of birth\n00501,\n", json!({})).await;
        let expected = "the file has no column \"id\", which the definition people requires; it has: zip, Date_of_birth";
        assert_eq!(words, expected);
        assert!(!world.database.has("people").await);
        let words = refused(&world, "people", "id,id\n1,2\n", json!({})).await;
        assert_eq!(words, "the file has the column \"id\" twice");
    }

    async fn what_a_definition_says_cannot_be_said_otherwise(world) {
        let strict = "title = \"Strict\"\ntable = \"strict\"\nallow = [\"group:finance\", \"user:bob\"]\n[file]\ndelimiter = \";\"\n";
        let world = world.defining(&[("people", PEOPLE), ("strict", strict)]);
        for (fields, word) in [
            (json!({"table": "other"}), "table"),
            (json!({"key": ["zip"]}), "key"),
            (json!({"columns": {"id": "text"}}), "columns"),
        ] {
            let words = refused(&world, "people", "id\n1\n", fields).await;
            assert_eq!(words, format!("{word}: the definition people says it; leave it out"));
        }
        let words = refused(&world, "persons", "id\n1\n", json!({})).await;
        assert_eq!(words, "definition: there is no \"persons\"; there are: people, strict");
        for fields in [json!({}), json!({"mode": "append"})] {
            assert_eq!(refused(&world, "strict", "a;b\n1;2\n", fields).await, "You may not start this import.");
        }
        // Nor by leaving the definition out.
        let words = world.import_with("STRICT", "a\n1\n", json!({})).await.unwrap_err().to_string();
        assert_eq!(words, "You may not start this import.");
        let (mut context, _) = world.context();
        context.groups = vec!["finance".to_owned()];
        let file = world.put("a;b\n1;2\n").await;
        for (field, value) in [("mode", json!("append")), ("delimiter", json!(","))] {
            let mut input = json!({"file": file, "definition": "strict"});
            input[field] = value;
            let words = world.run(&context, input).await.unwrap_err().to_string();
            assert_eq!(words, format!("{field}: the definition strict says it; leave it out"));
        }
        let done = world.run(&context, json!({"file": file, "definition": "strict"})).await.unwrap();
        assert_eq!(columns(&done.output), "a integer, b integer");
    }

    async fn a_table_of_somebody_else_is_filled_where_a_definition_names_it(world) {
        let theirs = "CREATE TABLE people (serial integer, id bigint PRIMARY KEY, zip text, born date, country text, \
            score double precision); INSERT INTO people VALUES (7, 1, '99999', NULL, 'Palau', 1)";
        world.database.execute(theirs).await;
        let world = world.defining(&[("people", PEOPLE)]);
        let words = world.import_with("people", "id\n1\n", json!({})).await.unwrap_err().to_string();
        assert_eq!(words, "the table people belongs to the definition people; name that instead of the table");
        world.import_by("people", "id,zip\n1,00501\n2,12345\n", json!({})).await.unwrap();
        let all = "SELECT serial, id, zip, country FROM people ORDER BY id";
        assert_eq!(world.rows(all).await, ["7|1|00501|USA", "NULL|2|12345|USA"]);
        world.import_by("people", "id,zip\n3,00501\n", json!({"mode": "append"})).await.unwrap();
        world.database.execute("CREATE VIEW v AS SELECT id FROM people").await;
        world.import_by("people", "id\n9\n", json!({"mode": "replace"})).await.unwrap();
        // The table stayed, and who rests on it sees the new rows.
        assert_eq!(world.rows("SELECT id FROM v").await, ["9"]);
        assert_eq!(world.rows(all).await, ["NULL|9|NULL|USA"]);
        let (context, mut progress) = world.context();
        let mut csv = "id\n".to_owned();
        (1..100_000).for_each(|row| csv.push_str(&format!("{row}\n")));
        let input = json!({"file": world.put(csv).await, "definition": "people", "mode": "replace"});
        let stopping = async {
            progress.wait_for(|part| *part > 0.0).await.unwrap();
            context.stop.cancel();
        };
        let (ended, ()) = tokio::join!(world.run(&context, input), stopping);
        assert!(matches!(ended, Err(Failure::Stopped)), "{ended:?}");
        assert_eq!(world.rows("SELECT id FROM people").await, ["9"], "its rows went only with the new ones there");
    }

    async fn a_table_of_somebody_else_that_is_otherwise_is_left_alone(world) {
        let world = world.defining(&[("people", PEOPLE)]);
        world.database.execute("CREATE TABLE people (id integer, zip integer, born date, country text, score real)").await;
        let words = refused(&world, "people", "id,zip\n1,00501\n", json!({})).await;
        assert!(words.starts_with("the column zip of the table people is "), "{words}");
        assert!(words.ends_with("which holds no text"), "{words}");
        let words = refused(&world, "people", "id,Date of birth\n1,2000-01-01\n", json!({})).await;
        assert_eq!(words, "the table people has no unique index over id, which upsert needs");
        world.database.execute("DROP TABLE people; CREATE TABLE people (id integer PRIMARY KEY, country text)").await;
        let words = refused(&world, "people", "id,zip\n1,00501\n", json!({})).await;
        assert_eq!(words, "the file has a column zip that the table people has not; it has: id, country");
        world.database.execute("CREATE TABLE x (a text); CREATE VIEW w AS SELECT a FROM x").await;
        let world = world.defining(&[("w", "title = \"W\"\ntable = \"w\"\n")]);
        let words = refused(&world, "w", "a\n1\n", json!({})).await;
        assert!(words.starts_with("the table w is there already and is no table"), "{words}");
    }

    async fn settings_say_into_which_tables_imports_may_go(world) {
        let tables = ["upload_*", "zips"].map(|pattern| pattern.to_owned().try_into().unwrap()).into();
        let world = world.with(ImportsConfig { tables, ..ImportsConfig::default() });
        for table in ["upload_1", "Upload_2", "zips"] {
            world.import_with(table, "a\n1\n", json!({})).await.unwrap();
        }
        for table in ["uploads", "zips2", "other"] {
            let words = world.import_with(table, "a\n1\n", json!({})).await.unwrap_err().to_string();
            assert_eq!(words, format!("imports may not go into the table {table}; they may go into: upload_*, zips"));
        }
        let words = world.run(&world.context().0, json!({"file": "a/b"})).await.unwrap_err().to_string();
        assert_eq!(words, "table: it is missing; name a table, or a definition");
    }

    async fn the_examples_import_the_real_files(world) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let world = world.with(ImportsConfig { definitions: folder, ..ImportsConfig::default() });
        let files = env::var("BELLWIRE_TEST_DATASETS").expect("run `make test`, which fetches the files");
        for (definition, file, rows) in [
            ("airports", "airports.csv", 3376),
            ("zipcodes", "zipcodes.csv", 42_049),
            ("weather", "seattle-weather.csv", 1461),
        ] {
            let content = fs::read(Path::new(&files).join(file)).unwrap();
            // A second time there is nothing new in it.
            for _ in 0..2 {
                let done = world.import_by(definition, &content, json!({})).await.unwrap();
                assert_eq!(done.output["rows"], rows);
                assert!(done.output.get("rejected").is_none(), "{}", done.output);
                assert_eq!(world.rows(&format!("SELECT count(*) FROM {definition}")).await, [rows.to_string()]);
            }
        }
        assert_eq!(world.rows("SELECT city FROM zipcodes WHERE zip_code = '00501'").await, ["Holtsville"]);
        assert_eq!(world.rows("SELECT weather FROM weather WHERE date = '2012-01-01'").await, ["drizzle"]);
    }
}

/// What is wrong with these definitions.
fn faults(definitions: &[(&str, &str)]) -> String {
    let folder = TempDir::new().unwrap();
    for (name, text) in definitions {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let config = ImportsConfig { definitions: folder.path().to_owned(), ..ImportsConfig::default() };
    let opened = Imports::open(config, &DatabaseConfig { url: "sqlite://nowhere/a.db".to_owned() });
    let told = opened.err().map(|error| error.to_string()).unwrap_or_default();
    told.replace(&folder.path().display().to_string(), "FOLDER")
}

#[test]
fn a_definition_that_is_wrong_is_named_by_file_and_line() {
    let head = "title = \"T\"\ntable = \"t\"\n";
    let column = |rest: &str| format!("{head}[[column]]\nname = \"a\"\n{rest}\n");
    for (text, told) in [
        ("title = \"T\"\n".to_owned(), "x.toml:1: table: it is missing"),
        (format!("{head}tabel = 1\n"), "x.toml:3: unknown field `tabel`"),
        ("title = \"T\"\ntable = \"pg_class\"\n".to_owned(), "x.toml:2: a table name may not begin with pg_"),
        (format!("{head}mode = \"merge\"\n"), "x.toml:3: unknown variant `merge`"),
        (format!("{head}mode = \"upsert\"\n"), "x.toml:1: mode upsert needs a key"),
        (format!("{head}key = [\"a\"]\n"), "x.toml:3: a key names one or more columns, and only mode upsert has one"),
        (
            format!("{head}mode = \"upsert\"\nkey = [\"b\"]\n[[column]]\nname=\"a\"\ntype=\"text\"\n"),
            "x.toml:4: key: there is no [[column]] of the name \"b\"",
        ),
        (format!("{head}allow = [\"finance\"]\n"), "x.toml:3: allow: \"finance\" is neither user:ID nor group:NAME"),
        (format!("{head}[file]\nformat = \"pdf\"\n"), "x.toml:4: unknown variant `pdf`"),
        (format!("{head}[file]\ndelimiter = \"ab\"\n"), "x.toml:4: it is one character"),
        (column(""), "x.toml:3: missing field `type`"),
        (column("type = \"money\""), "x.toml:5: unknown variant `money`"),
        (column("type = \"text\"\nrequire = true"), "x.toml:6: unknown field `require`"),
        (column("type = \"text\"\nmin = 1"), "x.toml:6: min is for integer, number and date, not for text"),
        (column("type = \"integer\"\nmin = \"x\""), "x.toml:6: min: it is no integer"),
        (column("type = \"integer\"\nmax = 1.5"), "x.toml:6: max: it is no integer"),
        (column("type = \"text\"\npattern = \"[a-\""), "x.toml:6: pattern: "),
        (
            column("type = \"text\"\npattern = \"(a{1000}){1000}\""),
            "x.toml:6: pattern: Compiled regex exceeds size limit",
        ),
        (column("type = \"integer\"\ndefault = \"x\""), "x.toml:6: default: it is no integer that the column may have"),
        (
            column("type = \"integer\"\nmin = 5\ndefault = 4"),
            "x.toml:7: default: it is no integer that the column may have",
        ),
        (
            column("type = \"text\"\n[[column]]\nname = \"A\"\nfrom = \"b\"\ntype = \"text\""),
            "x.toml:6: the column \"A\" is there twice",
        ),
        (
            column("type = \"text\"\n[[column]]\nname = \"b\"\nfrom = \"a\"\ntype = \"text\""),
            "x.toml:6: two columns come from the file's \"a\"",
        ),
        (format!("{head}[[column]]\nname = \"a b\"\ntype = \"text\"\n"), "x.toml:4: \"a b\" is no column name"),
        ("title = [".to_owned(), "x.toml:1: "),
        (format!("title = {}1", "[".repeat(100_000)), "x.toml:1: "),
    ] {
        let words = faults(&[("x.toml", &text)]);
        assert!(words.contains("imports.definitions (BELLWIRE_IMPORTS__DEFINITIONS):"), "{words}");
        assert!(words.contains(told), "{told:?} is not in {words}");
    }
}

#[test]
fn all_definitions_are_looked_at_and_two_of_one_table_agree() {
    let one = "title = \"A\"\ntable = \"t\"\nshared = true\n[[column]]\nname = \"a\"\ntype = \"text\"\n";
    let other = "title = \"B\"\ntable = \"T\"\nshared = true\n[[column]]\nname = \"a\"\ntype = \"integer\"\n";
    assert!(
        faults(&[("one.toml", one), ("other.toml", other)])
            .contains("other.toml: one.toml gives the table T other columns")
    );
    let agreeing = other.replace("integer", "text");
    assert_eq!(faults(&[("one.toml", one), ("other.toml", &agreeing)]), "");
    for alone in [one, &agreeing] {
        let told = faults(&[("one.toml", &one.replace("shared = true", "")), ("other.toml", alone)]);
        assert!(
            told.contains("other.toml: the table t belongs to one.toml; if both are meant to fill it")
                || told.contains("the table T belongs to one.toml"),
            "{told}"
        );
    }
    let both = faults(&[("bad.toml", "x = 1"), ("worse.toml", "y = 1"), ("good.toml", one), ("notes.txt", "x")]);
    assert!(both.contains("bad.toml:1: unknown field `x`") && both.contains("\n  worse.toml:1: "), "{both}");
    assert!(faults(&[("Bad Name.toml", one)]).contains("its name has 1 to 64 of a-z"));
    assert!(faults(&[("large.toml", &"#".repeat(300_000))]).contains("large.toml: it is larger than 256 KiB"));
    let config = ImportsConfig { definitions: "/nowhere/at/all".into(), ..ImportsConfig::default() };
    let opened = Imports::open(config, &DatabaseConfig { url: "sqlite://nowhere/a.db".to_owned() });
    assert!(opened.err().unwrap().to_string().contains("/nowhere/at/all: it is missing"));
}

#[tokio::test]
async fn each_definition_is_offered_as_a_form() {
    let world = World::over(crate::database::Database::sqlite());
    let strict = "title = \"Strict\"\ndescription = \"For few.\"\ntable = \"strict\"\nallow = [\"group:finance\"]\n";
    let offers = world.defining(&[("people", PEOPLE), ("strict", strict)]).imports.offers();
    assert_eq!(offers.len(), 2);
    assert_eq!((offers[0].name.as_str(), offers[0].title.as_str()), ("people", "People"));
    assert_eq!(json!(offers[0].input), json!({"definition": "people"}));
    let fields: Vec<_> = offers[0].fields.iter().map(|field| (field.path.as_str(), field.required)).collect();
    assert_eq!(fields, [("file", true), ("mode", true), ("sheet", false), ("accept_rejected", false)]);
    assert_eq!(offers[0].fields[1].choices, [json!("upsert"), json!("append"), json!("replace")]);
    assert_eq!(
        (offers[1].allow.as_slice(), offers[1].description.as_str()),
        (&["group:finance".to_owned()][..], "For few.")
    );
    assert_eq!(offers[1].fields.len(), 3);
}
