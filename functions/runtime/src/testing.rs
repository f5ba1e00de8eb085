//! Running a function in a unit test, without a host.
//!
//! ```ignore
//! let harness = Harness::new();
//! let context = harness.context();
//! let run = harness.run(&Greetings, &context, json!({ "name": "Ada" })).await;
//! assert_eq!(run.result.unwrap().output, json!(1));
//! ```

use std::time::{Duration, Instant};

use backplane::memory::Broker;
use bytes::Bytes;
use futures_util::TryStreamExt;
use model::{Environment, Job, Priority, TaskId, log_line::LogLine};
use serde_json::Value;
use signing::{SigningKey, Verifier};
use storage::{FileKey, InvalidKey, OwnerFiles, Storage, StorageConfig, StorageError};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    context::Context,
    database::{Database, DatabaseConfig},
    failure::Failure,
    function::{Completion, Function},
    job::schema::InputSchema,
    json_function,
    run_log::RunLog,
};

/// The services of a test: files in memory and a SQLite database of its own, both removed with it.
pub struct Harness {
    storage: Storage,
    database: Database,
    _folder: TempDir,
}

/// A run in a test.
#[derive(Debug)]
pub struct TestRun {
    /// The result: a host would publish a permanent failure and try a passing one again.
    pub result: Result<Completion<Value>, Failure>,
    /// The reported progress; of several reports at once only the last.
    pub progress: Vec<f64>,
    /// What it said to the owner.
    pub log: Vec<LogLine>,
}

impl Harness {
    /// Empty services. Called within a Tokio runtime.
    #[allow(clippy::new_without_default, reason = "it makes a folder, and panics where none can be made")]
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a test may make a folder");
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        let database = Database::open(&DatabaseConfig { url }).expect("it is the path of a file");
        let storage = Storage::open(&StorageConfig::at("memory:")).expect("it is an address");
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

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A first attempt at a new task of `ada`, to be changed as the test needs it.
    pub fn context(&self) -> Context {
        with_database(context(self.files()).0, self.database.clone())
    }

    /// Puts a file of `ada`'s, as an upload does; an input names its key.
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
    pub async fn run(&self, function: &impl Function, context: &Context, input: Value) -> TestRun {
        let mut receiver = context.progress.subscribe();
        receiver.mark_unchanged();
        let mut progress = Vec::new();
        let running = run(function, context, input);
        tokio::pin!(running);
        let result = loop {
            tokio::select! {
                biased;
                // Never closed: the context holds its sender.
                _ = receiver.changed() => progress.push(*receiver.borrow_and_update()),
                result = &mut running => break result,
            }
        };
        if receiver.has_changed().unwrap_or_default() {
            progress.push(*receiver.borrow_and_update());
        }
        TestRun { result, progress, log: context.log.kept() }
    }
}

/// The job as the gateway of a test's environment submits it.
pub fn granted(environment: &Environment, job: Job) -> Job {
    gateway_key().grant(environment, job)
}

/// Verifies what [`granted`] has signed, for the [`crate::WorkerContext`] of a test.
pub fn verifier(environment: &Environment) -> Verifier {
    Verifier::of(environment, &gateway_key())
}

/// The key of the gateways of a test.
pub fn gateway_key() -> SigningKey {
    SigningKey::derived_from(b"the secret of a test's environments")
}

/// A first attempt at a new task of `ada` in `test`, and the receiver of its progress.
pub fn context(files: OwnerFiles) -> (Context, watch::Receiver<f64>) {
    let (progress, receiver) = watch::channel(0.0);
    let environment: Environment = "test".parse().expect("it is a name");
    let context = Context {
        task: TaskId::new(),
        owner: "ada".to_owned(),
        groups: Vec::new(),
        backlog: 0,
        priority: Priority::Normal,
        parent: None,
        grant: None,
        title: "A test".to_owned(),
        attempt: 1,
        attempts: 5,
        source: "/functions/test".to_owned(),
        events: Broker::new().environment(&environment).log,
        environment,
        deadline: Instant::now() + Duration::from_secs(20 * 60),
        traceparent: None,
        database: None,
        files,
        stop: CancellationToken::new(),
        log: RunLog::new(1),
        progress,
    };
    (context, receiver)
}

/// The same run, with a database.
pub fn with_database(context: Context, database: Database) -> Context {
    Context { database: Some(database), ..context }
}

/// Runs a function as a host would, its input read from JSON and its output written to it.
pub async fn run(function: &impl Function, context: &Context, input: Value) -> Result<Completion<Value>, Failure> {
    let schema = InputSchema::compile(&function.description().input).map_err(Failure::input)?;
    schema.check(&input)?;
    json_function::run(function, context, input).await
}
