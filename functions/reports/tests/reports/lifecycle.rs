//! The end of a report: one complete file or none, kept as long as configured.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use backplane::memory::Broker;
use model::PodId;
use reports::ReportsConfig;
use runtime::{Failure, Function, WorkerContext, testing};
use serde_json::json;
use storage::{FileKey, FilesConfig};
use tokio_util::sync::CancellationToken;

use crate::{
    database::Database,
    fixture::{Fixture, over_both, permanent_message},
};

over_both! {
    async fn the_result_and_the_toast_have_the_address_of_the_file(fixture) {
        fixture.define("numbers", "SELECT 1 AS n UNION ALL SELECT 2", "title = \"Some numbers\"");
        let (context, progress) = fixture.context();
        let done = testing::run(&fixture.open(), &context, json!({"report": "numbers"})).await.unwrap();
        let output = &done.output;
        let href = format!("/api/files/report-{}/numbers.csv", context.task);
        assert_eq!(output["href"], href);
        assert_eq!((&output["rows"], &output["format"], &output["report"]), (&json!(2), &json!("csv"), &json!("numbers")));
        assert_eq!(output["bytes"], fixture.get(output).await.len());
        let expires: jiff::Timestamp = output["expires"].as_str().unwrap().parse().unwrap();
        let left = expires.duration_since(jiff::Timestamp::now()).as_hours();
        assert!((167..=168).contains(&left), "{left} hours");
        assert_eq!((done.toast.title.as_str(), done.toast.body.as_deref()), ("Some numbers is ready", Some("2 rows · CSV")));
        let action = done.toast.action.unwrap();
        assert_eq!((action.label.as_str(), action.href), ("Download", href));
        assert_eq!(*progress.borrow(), 0.99);
    }

    async fn a_task_that_is_done_twice_is_one_file(fixture) {
        fixture.define("numbers", "SELECT 1 AS n", "title = \"Numbers\"");
        let (context, _) = fixture.context();
        let (reports, input) = (fixture.open(), json!({"report": "numbers", "format": "xlsx"}));
        let first = testing::run(&reports, &context, input.clone()).await.unwrap();
        let second = testing::run(&reports, &context, input).await.unwrap();
        assert_eq!(first.output["href"], second.output["href"]);
        fixture.wait_for_files(1).await;
    }

    async fn a_report_that_does_not_fit_into_its_owners_quota_fails_in_words(fixture) {
        fixture.define("numbers", "SELECT 1 AS n", "title = \"Numbers\"");
        let limits = FilesConfig { quota_per_user: 3, ..FilesConfig::default() };
        let files = fixture.storage.clone().with_limits(limits).files(&"test".parse().unwrap(), "ada");
        let ended = testing::run(&fixture.open(), &testing::context(files).0, json!({"report": "numbers"})).await;
        let message = permanent_message(ended);
        assert!(message.starts_with("The report's file cannot be kept: your files have 0 bytes, and may have 3"), "{message}");
        fixture.wait_for_files(0).await;
    }

    async fn a_stopped_report_leaves_nothing(fixture) {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000) SELECT i, 'some text' AS t FROM n";
        for format in ["csv", "xlsx", "html", "pdf"] {
            fixture.define("many", sql, "title = \"Many\"");
            let (context, mut progress) = fixture.context();
            let reports = fixture.open();
            let stopping = async {
                progress.wait_for(|part| *part > 0.1).await.unwrap();
                context.stop.cancel();
                Instant::now()
            };
            let run = testing::run(&reports, &context, json!({"report": "many", "format": format}));
            let (ended, stopped) = tokio::join!(run, stopping);
            assert!(matches!(ended, Err(Failure::Stopped)), "{ended:?}");
            assert!(stopped.elapsed() < Duration::from_secs(1), "{format}: {:?}", stopped.elapsed());
        }
        fixture.wait_for_files(0).await;
    }

    async fn several_reports_are_made_at_once(fixture) {
        fixture.database.execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)").await;
        fixture.define("it", "SELECT a FROM t", "title = \"It\"");
        let reports = fixture.open();
        let (one, two, three) = (fixture.context().0, fixture.context().0, fixture.context().0);
        let run = |context| testing::run(&reports, context, json!({"report": "it"}));
        let (one, two, three) = tokio::join!(run(&one), run(&two), run(&three));
        for done in [one, two, three] {
            assert_eq!(done.unwrap().output["rows"], 1);
        }
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_a_failure_that_passes() {
    let fixture = Fixture::new(Database::sqlite());
    fixture.define("it", "SELECT 1 AS n", "title = \"It\"");
    let away =
        ReportsConfig { database_url: "postgres://nobody:hunter2@127.0.0.1:9/none".to_owned(), ..fixture.config() };
    let reports = fixture.try_open(away).unwrap();
    let ended = testing::run(&reports, &fixture.context().0, json!({"report": "it"})).await;
    match ended {
        Err(Failure::Passing { message, cause }) => {
            assert_eq!(message, "The database is away.");
            assert!(!format!("{cause:?}").contains("hunter2"));
        }
        other => panic!("{other:?}"),
    }
    fixture.wait_for_files(0).await;
}

#[tokio::test]
async fn a_database_that_nothing_was_imported_to_is_reported() {
    let fixture = Fixture::new(Database::sqlite());
    fixture.define("it", "SELECT 1 AS n", "title = \"It\"");
    let elsewhere = ReportsConfig { database_url: "sqlite:///nowhere/it.db".to_owned(), ..fixture.config() };
    let reports = fixture.try_open(elsewhere).unwrap();
    let message =
        crate::fixture::permanent_message(testing::run(&reports, &fixture.context().0, json!({"report": "it"})).await);
    assert_eq!(message, "There is nothing to report yet: the database's file is not there.");
}

#[tokio::test]
async fn storage_that_cannot_be_written_is_a_failure_that_passes() {
    let fixture = Fixture::new(Database::sqlite());
    fixture.define("it", "SELECT 1 AS n", "title = \"It\"");
    // A file stands where the owner's folder should be, which stops root as well.
    let folder = fixture.definitions().parent().unwrap().join("files");
    fs::write(folder.join("test"), "in the way").unwrap();
    fs::set_permissions(folder.join("test"), fs::Permissions::from_mode(0o400)).unwrap();
    let ended = fixture.run(json!({"report": "it"})).await;
    match ended {
        Err(Failure::Passing { message, .. }) => assert_eq!(message, "The storage for results cannot be used now."),
        other => panic!("{other:?}"),
    }
    fixture.wait_for_files(1).await;
}

#[tokio::test]
async fn a_file_goes_when_its_time_is_over_and_no_other_file_does() {
    let fixture = Fixture::new(Database::sqlite());
    fixture.define("it", "SELECT 1 AS n", "title = \"It\"");
    let reports = fixture.try_open(ReportsConfig { keep: Duration::from_millis(600), ..fixture.config() }).unwrap();
    let done = testing::run(&reports, &fixture.context().0, json!({"report": "it"})).await.unwrap();
    let upload = FileKey::generate("mine.csv".parse().unwrap());
    fixture.files().put(upload.clone()).await.unwrap().finish().await.unwrap();
    let elsewhere = fixture.storage.files(&"prod".parse().unwrap(), "ada");
    let other: FileKey = "report-x/of-another-environment.csv".parse().unwrap();
    elsewhere.put(other.clone()).await.unwrap().finish().await.unwrap();

    let environment: model::Environment = "test".parse().unwrap();
    let worker = WorkerContext {
        backplane: Broker::new().environment(&environment),
        verifier: testing::verifier(&environment),
        environment,
        storage: fixture.storage.clone(),
        database: None,
        pod: PodId::worker(),
        telemetry: Default::default(),
    };
    let key: FileKey = done.output["href"].as_str().unwrap().strip_prefix("/api/files/").unwrap().parse().unwrap();
    let stop = CancellationToken::new();
    let expired = async {
        let started = Instant::now();
        while fixture.files().get(&key).await.is_ok() {
            assert!(started.elapsed() < Duration::from_secs(20), "it is still there");
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (removed, ()) = tokio::join!(reports.background(&worker, stop.clone()), expired);
    removed.unwrap();
    assert!(fixture.files().get(&upload).await.is_ok());
    assert!(elsewhere.get(&other).await.is_ok());
}
