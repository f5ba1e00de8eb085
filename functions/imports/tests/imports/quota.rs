//! What one person's tables may come to.

use imports::ImportsConfig;
use runtime::Failure;
use serde_json::{Value, json};

use crate::world::{World, over_both};

const ORDERS: &str =
    "title = \"Orders\"\ntable = \"orders\"\nmode = \"append\"\n[[column]]\nname = \"a\"\ntype = \"text\"\n";

/// A worker that allows each person 1 MiB.
fn bounded(world: &World) -> World {
    world.with(ImportsConfig { quota_per_user: 1 << 20, ..ImportsConfig::default() })
}

/// A table of so many KiB, in rows of one.
fn kib(kib: usize) -> String {
    format!("a\n{}", format!("{}\n", "x".repeat(1024 - 33)).repeat(kib))
}

async fn refusal(world: &World, table: &str, content: &str, fields: Value) -> String {
    match world.import_with(table, content, fields).await {
        Err(Failure::Permanent { reason: "quota", message }) => message,
        other => panic!("not refused by the quota: {other:?}"),
    }
}

over_both! {
    async fn a_persons_tables_have_a_quota_together_and_room_that_a_replacement_frees(world) {
        let world = bounded(world);
        world.import_with("one", kib(600), json!({})).await.unwrap();
        let words = refusal(&world, "two", &kib(600), json!({})).await;
        assert_eq!(words, "your tables would come to more than 1 MiB, the most that one person's may \
            (imports.quota_per_user); 600 KiB are used besides what this import would write; replace a table by a \
            smaller file to free room");
        assert!(!world.database.has("two").await);
        assert!(world.import_as("eve", "hers", &kib(600), json!({})).await.is_ok(), "another has a quota of her own");
        world.import_with("two", kib(300), json!({})).await.unwrap();
        refusal(&world, "one", &kib(800), json!({})).await;
        assert_eq!(world.rows("SELECT count(*) FROM one").await, ["600"], "the table stays as it was");
        world.import_with("one", kib(10), json!({})).await.unwrap();
        world.import_with("two", kib(900), json!({})).await.unwrap();
        refusal(&world, "three", &kib(200), json!({})).await;
    }

    async fn what_is_added_counts_as_well(world) {
        let world = bounded(world);
        let append = json!({"mode": "append"});
        for _ in 0..3 {
            world.import_with("t", kib(300), append.clone()).await.unwrap();
        }
        refusal(&world, "t", &kib(300), append.clone()).await;
        assert_eq!(world.rows("SELECT count(*) FROM t").await, ["900"]);
        let rows = |first: usize| {
            let rows: String = (first..first + 10_000).map(|id| format!("{id},{}\n", "x".repeat(20))).collect();
            format!("id,a\n{rows}")
        };
        world.import_with("t", "a\n1\n", json!({})).await.unwrap();
        let upsert = json!({"mode": "upsert", "key": ["id"]});
        world.import_with("u", rows(0), upsert.clone()).await.unwrap();
        refusal(&world, "u", &rows(10_000), upsert).await;
        assert_eq!(world.rows("SELECT count(*) FROM u").await, ["10000"]);
    }

    async fn rows_of_little_count_for_what_they_take(world) {
        let world = bounded(world);
        refusal(&world, "t", &format!("a\n{}", "1\n".repeat(40_000)), json!({})).await;
        let header: Vec<_> = (0..1000).map(|column| format!("c{column}")).collect();
        world.import_with("wide", format!("{}\n{}\n", header.join(","), "1,".repeat(999) + "1"), json!({})).await.unwrap();
        refusal(&world, "wide", &format!("c0\n{}", "1\n".repeat(2000)), json!({"mode": "append"})).await;
    }

    async fn what_a_person_adds_to_a_shared_table_is_theirs(world) {
        let all = vec!["*".to_owned().try_into().unwrap()];
        let config = ImportsConfig { quota_per_user: 1 << 20, shared_tables: all, ..ImportsConfig::default() };
        let world = world.with(config);
        world.import_with("t", kib(600), json!({})).await.unwrap();
        world.import_as("eve", "t", &kib(600), json!({"mode": "append"})).await.unwrap();
        assert!(world.import_as("eve", "t", &kib(600), json!({"mode": "append"})).await.is_err());
        refusal(&world, "t", &kib(600), json!({"mode": "append"})).await;
        world.import_as("eve", "t", &kib(600), json!({})).await.unwrap();
        world.import_with("mine", kib(900), json!({})).await.unwrap();
    }

    async fn a_definition_counts_for_nobody(world) {
        let folder = world.defining(&[("orders", ORDERS)]).definitions();
        let config = ImportsConfig { quota_per_user: 1 << 20, tables_per_user: 1, ..ImportsConfig::default() };
        let (plain, defined) = (world.with(config.clone()), world.with(ImportsConfig { definitions: folder, ..config }));
        plain.import_with("orders", kib(800), json!({})).await.unwrap();
        refusal(&plain, "more", &kib(1), json!({})).await;
        for _ in 0..2 {
            defined.import_by("orders", kib(800), json!({})).await.unwrap();
        }
        defined.import_with("more", kib(800), json!({})).await.unwrap();
    }

    async fn a_person_has_so_many_tables(world) {
        let world = world.with(ImportsConfig { tables_per_user: 2, ..ImportsConfig::default() });
        for table in ["one", "two", "one"] {
            world.import_with(table, "a\n1\n", json!({})).await.unwrap();
        }
        let words = refusal(&world, "three", "a\n1\n", json!({})).await;
        assert_eq!(words, "you have 2 tables, and one person may have 2 (imports.tables_per_user); import into one of \
            them, which mode replace makes as the file is");
        assert!(!world.database.has("three").await);
        assert!(world.import_as("eve", "hers", "a\n1\n", json!({})).await.is_ok());
        // One that is gone does not count.
        world.database.execute("DROP TABLE one").await;
        world.import_with("three", "a\n1\n", json!({})).await.unwrap();
    }

    async fn imports_at_once_do_not_exceed_it_together(world) {
        let world = bounded(world);
        let content = kib(400);
        let tables: Vec<_> = (0..4).map(|table| format!("t{table}")).collect();
        let all = futures_util::future::join_all(tables.iter().map(|table| world.import_with(table, &content, json!({})))).await;
        assert_eq!(all.iter().filter(|done| done.is_ok()).count(), 2, "{all:?}");
    }

    async fn a_database_without_the_record_of_bytes_gets_it(world) {
        let world = bounded(world);
        world.import_with("t", kib(600), json!({})).await.unwrap();
        world.database.execute("DROP TABLE bellwire_imported_bytes").await;
        world.import_with("t", kib(600), json!({"mode": "append"})).await.unwrap();
        refusal(&world, "t", &kib(600), json!({"mode": "append"})).await;
    }
}
