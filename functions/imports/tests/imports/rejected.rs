//! Rows that are not imported, and too many of them.

use imports::ImportsConfig;
use model::toast::Level;
use runtime::{Failure, testing};
use serde_json::json;
use storage::FilesConfig;

use crate::world::over_both;

over_both! {
    async fn rejected_rows_are_told_and_kept_as_a_file(world) {
        let csv = b"a,b\n1,2\n3\n4,\"5\n6\",7\n\n8,caf\xC3\xA9\n9,caf\xE9\n10,x\0y\n";
        let done = world.import_with("airports", csv, json!({"accept_rejected": true})).await.unwrap();
        assert_eq!(world.rows("SELECT a, b FROM airports ORDER BY a").await, ["1|2", "8|café"]);
        let reasons = [
            (3, "it has 1 field, the header 2"),
            (4, "it has 3 fields, the header 2"),
            (8, "it is not UTF-8"),
            (9, "it has a NUL character"),
        ];
        let first = reasons.map(|(line, reason)| json!({"line": line, "reason": reason}));
        let href = done.output["href"].as_str().unwrap();
        assert_eq!(done.output["rejected"], json!({"rows": 4, "href": href, "first": first}));
        assert_eq!(
            world.get(href).await,
            "line,reason,row\n\
            3,\"it has 1 field, the header 2\",\"3\"\n\
            4,\"it has 3 fields, the header 2\",\"4,\"\"5\n6\"\",7\"\n\
            8,\"it is not UTF-8\",\"9,caf\u{FFFD}\"\n\
            9,\"it has a NUL character\",\"10,x\0y\"\n"
        );
        assert_eq!(done.toast.title, "airports is imported");
        assert_eq!(done.toast.level, Level::Warning);
        assert!(done.toast.body.unwrap().starts_with("2 rows, 2 columns"));
        let action = done.toast.action.unwrap();
        assert_eq!((action.label.as_str(), action.href.as_str()), ("Download rejected rows", href));
    }

    async fn rejected_rows_that_do_not_fit_into_the_quota_end_the_import_in_words(world) {
        let file = world.put("a,b\n1,2\n3\n").await;
        let limits = FilesConfig { files_per_user: 1, ..FilesConfig::default() };
        let files = world.storage.clone().with_limits(limits).files(&"test".parse().unwrap(), "ada");
        let ended = world.run(&testing::context(files).0, json!({"file": file, "table": "t"})).await;
        let Err(Failure::Permanent { reason, message }) = ended else { panic!("{ended:?}") };
        assert!(reason == "quota" && message.contains("you have 1 files, and may have 1 (files.files_per_user)"), "{message}");
        assert!(!world.database.has("t").await, "nothing was imported");
    }

    async fn an_import_without_rejected_rows_is_a_success(world) {
        let done = world.import_with("t", "a\n1\n2\n", json!({})).await.unwrap();
        assert_eq!((done.toast.level, done.toast.action), (Level::Success, None));
        assert!(done.toast.body.unwrap().starts_with("2 rows, 1 column"));
    }

    async fn one_good_row_and_a_hundred_bad_ones_replace_nothing_until_a_person_says_so(world) {
        let world = world.with(ImportsConfig::default());
        world.import("a,b\n7,7\n8,8\n").await;
        let csv = format!("a,b\n1,2\n{}", "1\n".repeat(100));
        let words = world.refused(&csv).await;
        assert!(words.starts_with("100 of 101 rows do not fit, so nothing was imported (to import the others all the same, say so: accept_rejected); the first: line 3: "), "{words}");
        assert_eq!(world.rows("SELECT a FROM t ORDER BY a").await, ["7", "8"]);
        let done = world.import_with("t", &csv, json!({"accept_rejected": true})).await.unwrap();
        assert_eq!(done.output["rejected"]["rows"], 100);
        assert_eq!(world.rows("SELECT a FROM t").await, ["1"]);
    }

    /// Rows of each kind of refusal: too great a share, more than the limit, all of them, and by the database itself.
    async fn a_refused_import_keeps_its_rejected_rows_and_says_how_to_import_the_others(world) {
        let world = world.with(ImportsConfig { rejected_limit: 3, rejected_limit_replacing: 3, ..ImportsConfig::default() });
        world.database.execute("CREATE TABLE n (a integer CHECK (a < 5))").await;
        let defined = "title = \"T\"\ntable = \"n\"\nmode = \"append\"\n[rejected]\nrows = 3\n[[column]]\nname = \"a\"\ntype = \"integer\"\n";
        let defining = world.defining(&[("n", defined)]);
        let bad = "1,2,3\n";
        for (csv, by_definition, count, lines, may_confirm) in [
            (format!("a,b\n1,2\n{bad}{bad}"), false, "2 of 3 rows", vec!["3", "4"], true),
            (format!("a,b\n1,2\n{}", bad.repeat(9)), false, "more than 3 rows", vec!["3", "4", "5", "6"], true),
            (format!("a,b\n{bad}{bad}"), false, "2 of 2 rows", vec!["2", "3"], false),
            ("a\n1\n6\n2\n7\n8\n9\n3\n".to_owned(), true, "more than 3 rows", vec!["3", "5", "6", "7"], true),
        ] {
            let (world, target) = match by_definition {
                true => (&defining, json!({"definition": "n"})),
                false => (&world, json!({"table": "t"})),
            };
            let mut input = target.clone();
            input["file"] = json!(world.put(&csv).await);
            input["decimal"] = json!(".");
            let (context, _) = world.context();
            let Err(Failure::Refused(refused)) = world.run(&context, input.clone()).await else { panic!("{csv}") };
            assert_eq!(refused.reason, "rejected");
            assert!(refused.message.starts_with(&format!("{count} do not fit, so nothing was imported")), "{}", refused.message);
            let href = format!("/api/files/{}/rejected.csv", context.task);
            assert_eq!(refused.result["href"], json!(href));
            assert_eq!(refused.result["rejected"]["rows"], lines.len());
            assert_eq!(refused.result["rejected"]["href"], json!(href));
            let file = world.get(&href).await;
            let found: Vec<_> = file.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
            assert_eq!(found, lines, "{file}");
            assert_eq!(refused.toast.level, Level::Warning);
            assert_eq!(refused.toast.action.unwrap().href, href);
            let Some(again) = refused.result.get("again").filter(|_| may_confirm).cloned() else {
                assert!(!may_confirm && refused.result.get("again").is_none(), "{}", refused.result);
                continue;
            };
            input["accept_rejected"] = json!(true);
            for field in ["file", "table", "definition", "decimal", "accept_rejected"] {
                assert_eq!(again.get(field), input.get(field), "{field} of {again}");
            }
            // Said so, the others are imported.
            let done = world.run(&world.context().0, again).await.unwrap();
            assert!(done.output["rejected"]["rows"].as_u64().unwrap() > 1, "{}", done.output);
        }
        assert_eq!(world.rows("SELECT a FROM n ORDER BY a").await, ["1", "2", "3"]);
    }

    async fn rows_that_cannot_be_kept_do_not_hide_why_an_import_was_refused(world) {
        let world = world.with(ImportsConfig::default());
        let file = world.put("a,b\n1,2\n3\n4\n").await;
        let limits = FilesConfig { files_per_user: 1, ..FilesConfig::default() };
        let files = world.storage.clone().with_limits(limits).files(&"test".parse().unwrap(), "ada");
        let ended = world.run(&testing::context(files).0, json!({"file": file, "table": "t"})).await;
        let Err(Failure::Refused(refused)) = ended else { panic!("{ended:?}") };
        assert!(refused.message.starts_with("2 of 3 rows do not fit"), "{}", refused.message);
        assert!(refused.message.contains("; the rejected rows could not be kept: you have 1 files, and may have 1"), "{}", refused.message);
        assert_eq!((refused.result.get("href"), refused.toast.action), (None, None));
        assert_eq!(refused.result["again"]["accept_rejected"], true);
    }

    async fn a_replacement_is_stricter_than_rows_that_are_added(world) {
        let world = world.with(ImportsConfig::default());
        let csv = |bad: usize| format!("a,b\n{}{}", "1,2\n".repeat(1000), "1\n".repeat(bad));
        // A new table replaces nothing.
        assert_eq!(world.import(csv(111)).await["rejected"]["rows"], 111);
        assert_eq!(world.import(csv(52)).await["rejected"]["rows"], 52);
        assert!(world.refused(csv(53)).await.starts_with("53 of 1053 rows do not fit, so nothing was imported"));
        let append = json!({"mode": "append"});
        world.import_with("t", csv(111), append.clone()).await.unwrap();
        let words = world.refused_with(csv(112), append.clone()).await;
        assert!(words.starts_with("112 of 1112 rows do not fit"), "{words}");
        world.import_with("t", "a,b\n1,2\n3\n", append.clone()).await.unwrap();
        let words = world.refused_with("a,b\n1,2\n3\n4\n", append).await;
        assert!(words.starts_with("2 of 3 rows do not fit"), "{words}");
        assert_eq!(world.rows("SELECT count(*) FROM bellwire_imports").await, ["4"]);
    }

    async fn a_definition_says_how_many_rows_may_be_rejected(world) {
        let definition = |rejected: &str| format!("title = \"T\"\ntable = \"t\"\n[rejected]\n{rejected}\n[[column]]\nname = \"n\"\ntype = \"integer\"\n");
        let csv = "n\n1\n2\nx\ny\n";
        let strict = world.defining(&[("t", &definition("rows = 1"))]);
        let words = strict.import_by("t", csv, json!({})).await.unwrap_err().to_string();
        assert!(words.starts_with("more than 1 rows do not fit"), "{words}");
        let lenient = world.defining(&[("t", &definition("share = 0.5"))]);
        for _ in 0..2 {
            assert_eq!(lenient.import_by("t", csv, json!({})).await.unwrap().output["rows"], 2);
        }
        let done = strict.import_by("t", csv, json!({"accept_rejected": true})).await.unwrap();
        assert_eq!(done.output["rejected"]["rows"], 2);
    }

    async fn more_than_the_limit_ends_the_import_at_once(world) {
        let words = world.refused(format!("a,b\n{}", "1\n".repeat(10_001))).await;
        assert!(words.starts_with("more than 10000 rows do not fit, so nothing was imported"), "{words}");
        assert!(!world.database.has("t").await);
    }

    async fn a_file_whose_rows_all_do_not_fit_is_refused(world) {
        let words = world.refused_with("a,b\n1\n", json!({"accept_rejected": true})).await;
        assert_eq!(
            words,
            "1 of 1 rows do not fit, so nothing was imported; the first: line 2: it has 1 field, the header 2"
        );
    }
}
