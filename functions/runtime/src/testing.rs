//! Running a function in a unit test, without a host.
//!
//! ```ignore
//! let bench = Bench::new();
//! let context = bench.context();
//! let ran = bench.run(&Greetings, &context, json!({ "name": "Ada" })).await;
//! assert_eq!(ran.ended.unwrap().output, json!(1));
//! ```

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;
use model::TaskId;
use serde_json::Value;
use storage::{FileKey, InvalidKey, OwnerFiles, Storage, StorageConfig, StorageError};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    context::Context,
    database::{Database, DatabaseConfig},
    erased::Erased,
    failure::Failure,
    function::{Completion, Function},
    schema::InputSchema,
};

/// What a test of a function stands on: files in memory and a SQLite database of its own, both gone with it.
pub struct Bench {
    storage: Storage,
    database: Database,
    _folder: TempDir,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    /// As a host would judge it: a permanent failure is told its owner, a passing one tried again.
    pub ended: Result<Completion<Value>, Failure>,
    /// The progress that was heard; of what is said in one breath only the last.
    pub progress: Vec<f64>,
}

impl Bench {
    /// A new one, with nothing on it. Called within a runtime.
    #[allow(clippy::new_without_default, reason = "it makes a folder, and panics where none can be made")]
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a test may make a folder");
        let url = format!("sqlite://{}", folder.path().join("bench.db").display());
        let database = Database::open(&DatabaseConfig { url }).expect("it is the path of a file");
        let storage = Storage::open(&StorageConfig { url: "memory:".to_owned() }).expect("it is an address");
        Self { storage, database, _folder: folder }
    }

    /// All files.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The files of `ada` in `test`, whose tasks these are.
    pub fn files(&self) -> OwnerFiles {
        self.storage.files(&"test".parse().expect("it is a name"), "ada")
    }

    /// The database, to look at what was done.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A first attempt at a new task of `ada`, to be changed as the test needs it.
    pub fn context(&self) -> Context {
        with_database(context(self.files()).0, self.database.clone())
    }

    /// Puts a file of `ada`'s, as an upload does; its key is what an input names.
    pub async fn put(&self, name: &str, content: impl Into<Bytes>) -> Result<FileKey, StorageError> {
        let name = name.parse().map_err(|error: InvalidKey| StorageError::Failed(error.to_string()))?;
        let mut upload = self.files().put(FileKey::generate(name)).await?;
        upload.write(content.into()).await?;
        Ok(upload.finish().await?.key)
    }

    /// The whole of a file of `ada`'s.
    pub async fn get(&self, key: &FileKey) -> Result<Vec<u8>, StorageError> {
        self.files().get(key).await?.content.map_ok(|piece| piece.to_vec()).try_concat().await
    }

    /// Runs a function as a host would; with the same context again it is another run of the same task.
    pub async fn run(&self, function: &impl Function, context: &Context, input: Value) -> Ran {
        let mut told = context.progress.subscribe();
        told.mark_unchanged();
        let mut progress = Vec::new();
        let running = run(function, context, input);
        tokio::pin!(running);
        let ended = loop {
            tokio::select! {
                biased;
                // Never closed: the context holds its sender.
                _ = told.changed() => progress.push(*told.borrow_and_update()),
                ended = &mut running => break ended,
            }
        };
        if told.has_changed().unwrap_or_default() {
            progress.push(*told.borrow_and_update());
        }
        Ran { ended, progress }
    }
}

/// A first attempt at a new task of `ada` in `test`, and what is heard of its progress.
pub fn context(files: OwnerFiles) -> (Context, watch::Receiver<f64>) {
    let (progress, told) = watch::channel(0.0);
    let context = Context {
        task: TaskId::new(),
        environment: "test".parse().expect("it is a name"),
        owner: "ada".to_owned(),
        groups: Vec::new(),
        parent: None,
        title: "A test".to_owned(),
        attempt: 1,
        deadline: Instant::now() + Duration::from_secs(60),
        traceparent: None,
        database: None,
        files,
        stop: CancellationToken::new(),
        progress,
    };
    (context, told)
}

/// The same run, with a database.
pub fn with_database(context: Context, database: Database) -> Context {
    Context { database: Some(database), ..context }
}

/// Runs a function as a host would, its input read from JSON and its output written to it.
pub async fn run(function: &impl Function, context: &Context, input: Value) -> Result<Completion<Value>, Failure> {
    let schema = InputSchema::of(&function.description().input).map_err(Failure::input)?;
    schema.check(&input)?;
    function.run_json(context, input).await
}
