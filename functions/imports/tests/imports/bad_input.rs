//! What is wrong with a file is said in words a person understands, and nothing changes.

use std::{io::Write, path::Path, process::Command, time::Duration};

use imports::{DatabaseConfig, Imports, ImportsConfig};
use runtime::{Failure, testing};
use serde_json::{Value, json};
use storage::{Storage, StorageConfig};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::world::{World, columns, over_both};

over_both! {
    async fn a_file_that_is_no_table_of_text_is_named(world) {
        for (content, words) in [
            (&b""[..], "the file is empty"),
            (b"\n\n", "the file has no header, only empty lines"),
            (b"PK\x03\x04\x14\0[Content_Types].xml", "the workbook ends too early"),
            (b"\x1F\x8B\x08\0\0", "the gzip archive ends too early"),
            (b"<!DOCTYPE html><html>", "the file is a web page"),
            (b"a,\"b\n1,2\n", "the quote (\") that opens in line 1 never closes"),
            (b"a,b\n1,2\n3,\"4\n5,6\n", "the quote (\") that opens in line 3 never closes"),
            (b"a\0b,c\n1,2\n", "the header, line 1, is not text"),
        ] {
            let told = world.refused(content).await;
            assert!(told.starts_with(words), "{told}");
        }
        assert!(!world.database.has("t").await);
    }

    async fn a_header_alone_is_an_empty_table(world) {
        let output = world.import("a,b").await;
        assert_eq!((columns(&output).as_str(), &output["rows"]), ("a text, b text", &json!(0)));
        assert_eq!(world.rows("SELECT count(a) FROM t").await, ["0"]);
    }

    async fn a_line_that_never_ends_is_refused_by_its_number(world) {
        let long = format!("a\n1\n{}", "x".repeat(3 << 20));
        assert_eq!(world.refused(long).await, "line 3 is longer than 1 MiB, more than a row may have");
        let long = "x".repeat(3 << 20);
        assert_eq!(world.refused(long).await, "line 1 is longer than 1 MiB, more than a row may have");
        let open = format!("a\n1\n\"{}", "x\n".repeat(3 << 20));
        let within = "the quote that opens in line 3 does not close within 1 MiB, more than a row may have";
        assert_eq!(world.refused(open).await, within);
    }

    async fn very_many_columns_work_as_far_as_the_database_can(world) {
        let wide = |columns: usize| {
            let names: Vec<_> = (0..columns).map(|column| format!("c{column}")).collect();
            let values: Vec<_> = (0..columns).map(|column| column.to_string()).collect();
            format!("{}\n{}\n", names.join(","), values.join(","))
        };
        let (most, of) = if world.database.is_sqlite() { (2000, "SQLite") } else { (1600, "PostgreSQL") };
        // PostgreSQL's rows are a page at most, which so many whole numbers are not.
        let fit = if world.database.is_sqlite() { most } else { 900 };
        assert_eq!(world.import(wide(fit)).await["rows"], 1);
        assert_eq!(world.rows(&format!("SELECT c{} FROM t", fit - 1)).await, [(fit - 1).to_string()]);
        let words = world.refused(wide(most + 1)).await;
        assert_eq!(words, format!("the file has {} columns; a table of {of} has {most} at most", most + 1));
        if !world.database.is_sqlite() {
            let words = world.refused(wide(most)).await;
            assert!(words.starts_with("1 of 1 rows do not fit, so nothing was imported; the first: line 2: the database refused it: row is too big"), "{words}");
        }
    }

    async fn two_encodings_in_one_file_are_never_read_wrong_in_silence(world) {
        let output = world.import(b"a,b\n\xC3\xA9,1\n\xC3\xA9,2\n\xE9,3\n").await;
        assert_eq!(output["rejected"]["first"], json!([{"line": 4, "reason": "it is not UTF-8"}]));
        let output = world.import(b"a,b\n\xE9,1\n\xE9,2\n\xE0 la carte,2\n\xC3\xA9,3\n").await;
        let reason = "it is UTF-8 where the rest of the file is windows-1252";
        assert_eq!(output["rejected"]["first"], json!([{"line": 5, "reason": reason}]));
        assert_eq!(world.rows("SELECT count(*) FROM t WHERE a = 'é'").await, ["2"]);
    }

    async fn a_file_of_somebody_else_is_not_there(world) {
        let theirs = world.storage.files(&"test".parse().unwrap(), "bob");
        theirs.put("01JD/secret.csv".parse().unwrap()).await.unwrap().finish().await.unwrap();
        let input = json!({"file": "01JD/secret.csv", "table": "t"});
        let words = world.run(&world.context().0, input).await.unwrap_err().to_string();
        assert_eq!(words, "there is no file 01JD/secret.csv of yours");
    }

    async fn a_field_that_is_unknown_or_wrong_is_named_by_its_path(world) {
        for (field, value, words) in [
            ("tabel", json!("x"), "unknown field `tabel`"),
            ("mode", json!("merge"), "input.mode: \"merge\" is none of"),
            ("delimiter", json!(",,"), "input.delimiter: it is one character"),
            ("encoding", json!("klingon"), "input.encoding: \"klingon\" is no encoding"),
            ("columns", json!({"a": "money"}), "input.columns.a: \"money\" is none of"),
            ("columns", json!({"b": "text"}), "columns: the file has no column \"b\"; it has: a"),
            ("file", json!("../etc/passwd"), "input.file: "),
        ] {
            let mut fields = json!({});
            fields[field] = value;
            let told = world.refused_with("a\n1\n", fields).await;
            assert!(told.contains(words), "{told}");
        }
    }
}

/// What an import into this database fails with.
async fn failing(url: &str) -> Failure {
    let storage = Storage::open(&StorageConfig::at("memory:")).unwrap();
    let files = storage.files(&"test".parse().unwrap(), "ada");
    let mut upload = files.put("a/t.csv".parse().unwrap()).await.unwrap();
    let mut csv = "n,text\n".to_owned();
    (0..100_000).for_each(|row| csv.push_str(&format!("{row},some text to make it longer\n")));
    upload.write(csv.into()).await.unwrap();
    upload.finish().await.unwrap();
    let imports = Imports::open(ImportsConfig::default(), &DatabaseConfig { url: url.to_owned() }).unwrap();
    let (context, _) = testing::context(files);
    let input: Value = json!({"file": "a/t.csv", "table": "t"});
    testing::run(&imports, &context, input).await.unwrap_err()
}

#[tokio::test]
async fn a_database_that_is_away_is_tried_again_later_and_its_password_is_not_told() {
    let failure = failing("postgres://ada:hunter2@127.0.0.1:1/none").await;
    let Failure::Passing { message, cause } = &failure else { panic!("{failure:?}") };
    assert_eq!(message, "The database cannot be used now.");
    assert!(!format!("{cause:#?}").contains("hunter2"));
    let failure = failing("sqlite:///dev/null/no.db").await;
    assert!(matches!(failure, Failure::Passing { .. }), "{failure:?}");
}

#[test]
fn an_address_that_is_no_database_is_refused_with_the_settings_name() {
    for bad in ["", "mysql://ada:hunter2@x/y", "sqlite://", "sqlite:x", "postgres://ada:hunter2@x:port/y"] {
        let config = DatabaseConfig { url: bad.to_owned() };
        let error = Imports::open(ImportsConfig::default(), &config).err().unwrap().to_string();
        assert!(error.starts_with("database.url (BELLWIRE_DATABASE__URL): "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_database_that_goes_away_in_the_middle_leaves_the_table_as_it_was_and_a_retry_succeeds() {
    let world = World::over(crate::database::Database::postgres().await);
    for mode in ["replace", "append", "upsert"] {
        let key = if mode == "upsert" { json!(["n"]) } else { json!([]) };
        world.database.execute("DROP TABLE IF EXISTS t").await;
        world.import_with("t", "n,text\n-1,old\n", json!({"mode": mode, "key": key})).await.unwrap();
        let mut csv = "n,text\n".to_owned();
        (0..300_000).for_each(|row| csv.push_str(&format!("{row},some text to make it longer\n")));
        let input = json!({"file": world.put(csv).await, "table": "t", "mode": mode, "key": key});
        let (context, mut progress) = world.context();
        let cutting = async {
            progress.wait_for(|part| *part > 0.0).await.unwrap();
            // Other tests copy as well: ours has its own name, or holds our table.
            let name = format!("%bellwire_load_{}%", context.task).to_lowercase();
            let cut = format!(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'COPY%'
                 AND (query LIKE '{name}' OR pid IN (SELECT pid FROM pg_locks WHERE relation = 't'::regclass))"
            );
            while world.rows(&cut).await == ["0"] {
                tokio::task::yield_now().await;
            }
        };
        let both = async { tokio::join!(world.run(&context, input.clone()), cutting) };
        let (ended, ()) = timeout(Duration::from_secs(60), both).await.unwrap();
        assert!(matches!(ended, Err(Failure::Passing { .. })), "{mode}: {ended:?}");
        assert_eq!(world.rows("SELECT text FROM t").await, ["old"], "{mode}");
        let done = world.run(&world.again(context.task), input).await.unwrap();
        assert_eq!(done.output["rows"], 300_000);
        let rows = if mode == "replace" { 300_000 } else { 300_001 };
        assert_eq!(world.rows("SELECT count(*) FROM t").await, [rows.to_string()]);
    }
    world.database.end().await;
}

fn mount_small_disk(at: &Path) -> bool {
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(at).status();
    mount.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn a_full_disk_under_sqlite_is_named() {
    let folder = TempDir::new().unwrap();
    if !mount_small_disk(folder.path()) {
        // Written past the harness, which shows what a passing test prints to nobody.
        writeln!(std::io::stderr(), "NOT TESTED: a full disk, as this user may not mount a tmpfs; run as root")
            .unwrap();
        return;
    }
    let failure = failing(&format!("sqlite://{}/t.db", folder.path().display())).await;
    let unmounted = Command::new("umount").arg("-l").arg(folder.path()).status().unwrap();
    assert!(unmounted.success());
    assert_eq!(failure.to_string(), "The disk of the database is full.");
    assert!(matches!(failure, Failure::Passing { .. }));
}

#[tokio::test]
async fn a_full_disk_under_postgresql_is_named() {
    let database = crate::database::Database::postgres().await;
    // The server's own word for it, said when the import makes its table.
    let name = database.rows("SELECT current_schema()::text").await.remove(0);
    let full = format!(
        "CREATE FUNCTION {name}.full_disk() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
             IF current_schema() = '{name}' THEN RAISE EXCEPTION USING ERRCODE = '53100'; END IF;
         END $$;
         CREATE EVENT TRIGGER {name} ON ddl_command_end EXECUTE FUNCTION {name}.full_disk()"
    );
    database.execute(&full).await;
    let failure = failing(&database.url()).await;
    database.execute(&format!("DROP EVENT TRIGGER {name}")).await;
    assert_eq!(failure.to_string(), "The disk of the database is full.");
    assert!(matches!(failure, Failure::Passing { .. }));
    database.end().await;
}
