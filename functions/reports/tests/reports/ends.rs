//! How a report ends: whole and at one place, or not at all, and for as long as is configured.

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
use storage::FileKey;
use tokio_util::sync::CancellationToken;

use crate::{
    database::Database,
    world::{World, over_both},
};

over_both! {
    async fn the_result_tells_where_the_file_is_and_the_toast_says_so(world) {
        world.define("numbers", "SELECT 1 AS n UNION ALL SELECT 2", "title = \"Some numbers\"");
        let (context, progress) = world.context();
        let done = testing::run(&world.open(), &context, json!({"report": "numbers"})).await.unwrap();
        let output = &done.output;
        let href = format!("/api/files/report-{}/numbers.csv", context.task);
        assert_eq!(output["href"], href);
        assert_eq!((&output["rows"], &output["format"], &output["report"]), (&json!(2), &json!("csv"), &json!("numbers")));
        assert_eq!(output["bytes"], world.get(output).await.len());
        let expires: jiff::Timestamp = output["expires"].as_str().unwrap().parse().unwrap();
        let left = expires.duration_since(jiff::Timestamp::now()).as_hours();
        assert!((167..=168).contains(&left), "{left} hours");
        assert_eq!((done.toast.title.as_str(), done.toast.body.as_deref()), ("Some numbers is ready", Some("2 rows")));
        let action = done.toast.action.unwrap();
        assert_eq!((action.label.as_str(), action.href), ("Download", href));
        assert_eq!(*progress.borrow(), 0.99);
    }

    async fn a_task_that_is_done_twice_is_one_file(world) {
        world.define("numbers", "SELECT 1 AS n", "title = \"Numbers\"");
        let (context, _) = world.context();
        let (reports, input) = (world.open(), json!({"report": "numbers", "format": "xlsx"}));
        let first = testing::run(&reports, &context, input.clone()).await.unwrap();
        let second = testing::run(&reports, &context, input).await.unwrap();
        assert_eq!(first.output["href"], second.output["href"]);
        world.stores(1).await;
    }

    async fn a_stopped_report_leaves_nothing(world) {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000) SELECT i, 'some text' AS t FROM n";
        for format in ["csv", "xlsx", "html"] {
            world.define("many", sql, "title = \"Many\"");
            let (context, mut progress) = world.context();
            let reports = world.open();
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
        world.stores(0).await;
    }

    async fn several_reports_are_made_at_once(world) {
        world.database.execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)").await;
        world.define("it", "SELECT a FROM t", "title = \"It\"");
        let reports = world.open();
        let (one, two, three) = (world.context().0, world.context().0, world.context().0);
        let run = |context| testing::run(&reports, context, json!({"report": "it"}));
        let (one, two, three) = tokio::join!(run(&one), run(&two), run(&three));
        for done in [one, two, three] {
            assert_eq!(done.unwrap().output["rows"], 1);
        }
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_a_failure_that_passes() {
    let world = World::over(Database::sqlite());
    world.define("it", "SELECT 1 AS n", "title = \"It\"");
    let away =
        ReportsConfig { database_url: "postgres://nobody:hunter2@127.0.0.1:9/none".to_owned(), ..world.config() };
    let reports = world.try_open(away).unwrap();
    let ended = testing::run(&reports, &world.context().0, json!({"report": "it"})).await;
    match ended {
        Err(Failure::Passing { message, cause }) => {
            assert_eq!(message, "The database is away.");
            assert!(!format!("{cause:?}").contains("hunter2"));
        }
        other => panic!("{other:?}"),
    }
    world.stores(0).await;
}

#[tokio::test]
async fn a_database_that_nothing_was_imported_to_is_told() {
    let world = World::over(Database::sqlite());
    world.define("it", "SELECT 1 AS n", "title = \"It\"");
    let elsewhere = ReportsConfig { database_url: "sqlite:///nowhere/it.db".to_owned(), ..world.config() };
    let reports = world.try_open(elsewhere).unwrap();
    let words = crate::world::refusal(testing::run(&reports, &world.context().0, json!({"report": "it"})).await);
    assert_eq!(words, "There is nothing to report yet: the database's file is not there.");
}

#[tokio::test]
async fn storage_that_cannot_be_written_is_a_failure_that_passes() {
    let world = World::over(Database::sqlite());
    world.define("it", "SELECT 1 AS n", "title = \"It\"");
    // A file stands where the owner's folder should be, which stops root as well.
    let folder = world.definitions().parent().unwrap().join("files");
    fs::write(folder.join("test"), "in the way").unwrap();
    fs::set_permissions(folder.join("test"), fs::Permissions::from_mode(0o400)).unwrap();
    let ended = world.run(json!({"report": "it"})).await;
    match ended {
        Err(Failure::Passing { message, .. }) => assert_eq!(message, "The storage for results cannot be used now."),
        other => panic!("{other:?}"),
    }
    world.stores(1).await;
}

#[tokio::test]
async fn a_file_goes_when_its_time_is_over_and_no_other_file_does() {
    let world = World::over(Database::sqlite());
    world.define("it", "SELECT 1 AS n", "title = \"It\"");
    let reports = world.try_open(ReportsConfig { keep: Duration::from_millis(600), ..world.config() }).unwrap();
    let done = testing::run(&reports, &world.context().0, json!({"report": "it"})).await.unwrap();
    let upload = FileKey::generate("mine.csv".parse().unwrap());
    world.files().put(upload.clone()).await.unwrap().finish().await.unwrap();
    let elsewhere = world.storage.files(&"prod".parse().unwrap(), "ada");
    let other: FileKey = "report-x/of-another-environment.csv".parse().unwrap();
    elsewhere.put(other.clone()).await.unwrap().finish().await.unwrap();

    let environment: model::Environment = "test".parse().unwrap();
    let place = WorkerContext {
        backplane: Broker::new().environment(&environment),
        environment,
        storage: world.storage.clone(),
        database: None,
        pod: PodId::worker(),
    };
    let key: FileKey = done.output["href"].as_str().unwrap().strip_prefix("/api/files/").unwrap().parse().unwrap();
    let stop = CancellationToken::new();
    let gone = async {
        let began = Instant::now();
        while world.files().get(&key).await.is_ok() {
            assert!(began.elapsed() < Duration::from_secs(20), "it is still there");
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (swept, ()) = tokio::join!(reports.background(&place, stop.clone()), gone);
    swept.unwrap();
    assert!(world.files().get(&upload).await.is_ok());
    assert!(elsewhere.get(&other).await.is_ok());
}
