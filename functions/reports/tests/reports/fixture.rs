//! A database, a storage and a folder of definitions for each scenario.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use percent_encoding::percent_decode_str;
use reports::{DatabaseConfig, Delivery, OpenError, Reports, ReportsConfig};
use runtime::{Completion, Context, Failure, testing};
use serde_json::{Value, json};
use storage::{OwnerFiles, Storage, StorageConfig};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::database::Database;

/// Runs a scenario over both databases.
macro_rules! over_both {
    ($($(#[$doc:meta])* async fn $name:ident($fixture:ident) $scenario:block)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$doc])*
            async fn scenario($fixture: &$crate::fixture::Fixture) $scenario

            #[tokio::test]
            async fn over_sqlite() {
                let fixture = $crate::fixture::Fixture::new($crate::database::Database::sqlite());
                scenario(&fixture).await;
            }

            #[tokio::test]
            async fn over_postgresql() {
                let fixture = $crate::fixture::Fixture::new($crate::database::Database::postgres().await);
                scenario(&fixture).await;
                fixture.database.remove().await;
            }
        }
    )*};
}
pub(crate) use over_both;

pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) storage: Storage,
    folder: TempDir,
}

impl Fixture {
    pub(crate) fn new(database: Database) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("definitions")).unwrap();
        let url = format!("file:{}/files", folder.path().display());
        let storage = Storage::open(&StorageConfig::at(url)).unwrap();
        Self { database, storage, folder }
    }

    pub(crate) fn definitions(&self) -> std::path::PathBuf {
        self.folder.path().join("definitions")
    }

    /// Puts a report's two files into the folder.
    pub(crate) fn define(&self, name: &str, sql: &str, toml: &str) {
        fs::write(self.definitions().join(format!("{name}.sql")), sql).unwrap();
        fs::write(self.definitions().join(format!("{name}.toml")), toml).unwrap();
    }

    pub(crate) fn config(&self) -> ReportsConfig {
        ReportsConfig { definitions: self.definitions(), ..ReportsConfig::default() }
    }

    pub(crate) fn try_open(&self, config: ReportsConfig) -> Result<Reports, OpenError> {
        Reports::open(config, &DatabaseConfig { url: self.database.url() }, Delivery::default())
    }

    pub(crate) fn open(&self) -> Reports {
        self.try_open(self.config()).unwrap()
    }

    pub(crate) fn files(&self) -> OwnerFiles {
        self.storage.files(&"test".parse().unwrap(), "ada")
    }

    /// A first attempt at a new task, and its progress.
    pub(crate) fn context(&self) -> (Context, watch::Receiver<f64>) {
        testing::context(self.files())
    }

    pub(crate) async fn run(&self, input: Value) -> Result<Completion<Value>, Failure> {
        testing::run(&self.open(), &self.context().0, input).await
    }

    /// Makes the report `it` of a query without parameters; the file's content.
    pub(crate) async fn create_file(&self, sql: &str, format: &str) -> Vec<u8> {
        self.create_file_with(sql, "", format).await
    }

    /// The same, with more in its definition.
    pub(crate) async fn create_file_with(&self, sql: &str, toml: &str, format: &str) -> Vec<u8> {
        self.define("it", sql, &format!("title = \"It\"\n{toml}"));
        let done = self.run(json!({"report": "it", "format": format})).await.unwrap();
        self.get(&done.output).await
    }

    pub(crate) async fn text(&self, sql: &str, format: &str) -> String {
        String::from_utf8(self.create_file(sql, format).await).unwrap()
    }

    /// Makes the report `it` of this query, which must fail permanently; returns the message.
    pub(crate) async fn permanent_error(&self, sql: &str) -> String {
        self.define("it", sql, "title = \"It\"");
        permanent_message(self.run(json!({"report": "it", "format": "csv"})).await)
    }

    /// The content of a result's file.
    pub(crate) async fn get(&self, output: &Value) -> Vec<u8> {
        let path = output["href"].as_str().unwrap().strip_prefix("/api/files/").unwrap();
        let key = percent_decode_str(path).decode_utf8().unwrap().parse().unwrap();
        let content = self.files().get(&key).await.unwrap().content;
        content.map_ok(|piece| piece.to_vec()).try_concat().await.unwrap()
    }

    /// Waits until the storage has this number of files; unfinished ones are removed a moment later.
    pub(crate) async fn wait_for_files(&self, files: usize) {
        fn count(folder: &Path) -> usize {
            let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
        }
        let started = Instant::now();
        while count(&self.folder.path().join("files")) != files {
            assert!(started.elapsed() < Duration::from_secs(10), "there are not {files} files");
            tokio::task::yield_now().await;
        }
    }
}

/// The message of a permanent failure.
pub(crate) fn permanent_message(ended: Result<Completion<Value>, Failure>) -> String {
    match ended {
        Err(Failure::Permanent { message, .. }) => message,
        other => panic!("no permanent failure: {other:?}"),
    }
}
