//! Running a function in a unit test, without a host.

use std::time::{Duration, Instant};

use backplane::TaskId;
use serde_json::Value;
use storage::OwnerFiles;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    context::Context,
    database::Database,
    erased::Erased,
    failure::Failure,
    function::{Completion, Function},
    schema::InputSchema,
};

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
