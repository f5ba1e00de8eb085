//! A function that writes a row for its task, once.

use std::time::Duration;

use async_trait::async_trait;
use model::{Kind, Toast, toast::Level};
use runtime::{
    Completion, Context, Failure, Function,
    database::{Transaction, Value},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use crate::phase::{Phase, Watch};

/// A kind that the scenarios' broker users have a worker for.
pub(crate) const KIND: &str = "told";
/// Where it writes.
pub(crate) const TABLE: &str = "CREATE TABLE ledger (task TEXT NOT NULL, attempt BIGINT NOT NULL)";

/// What it shall do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    #[serde(default)]
    act: Act,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Act {
    /// Writes its row.
    #[default]
    Write,
    /// Cannot at its first attempt, then writes.
    Fail,
    /// Panics with the row written at its first attempt, then writes.
    Panic,
    /// Never ends, unless it is told to.
    Endless,
    /// Ends its process.
    Poison,
}

/// The function.
#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) watch: Watch,
    pub(crate) deadline: Duration,
    /// Whether a run was told to stop.
    pub(crate) stopped: watch::Sender<bool>,
}

impl Ledger {
    pub(crate) fn watched(watch: Watch) -> Self {
        Self { watch, deadline: Duration::from_secs(60), stopped: watch::Sender::new(false) }
    }
}

#[async_trait]
impl Function for Ledger {
    type Input = Input;
    type Output = serde_json::Value;

    fn kind(&self) -> Kind {
        KIND.parse().unwrap()
    }

    fn deadline(&self) -> Duration {
        self.deadline
    }

    async fn run(&self, context: &Context, Input { act }: Input) -> Result<Completion<Self::Output>, Failure> {
        self.watch.arrive(Phase::Begun).await;
        let first = context.attempt == 1;
        match act {
            Act::Fail if first => {
                return Err(Failure::passing("Something is away.", std::io::Error::other("as told")));
            }
            Act::Endless => {
                context.stop.cancelled().await;
                return Err(Failure::Stopped);
            }
            Act::Poison => kill_this_process().await,
            Act::Write | Act::Fail | Act::Panic => {}
        }
        let (task, attempt, watch) = (context.task.to_string(), i64::from(context.attempt), self.watch.clone());
        let write = move |transaction: &mut dyn Transaction| {
            let row: [Value; 2] = [task.into(), attempt.into()];
            transaction.execute("INSERT INTO ledger (task, attempt) VALUES ($1, $2)", &row)?;
            watch.reach_blocking(Phase::Writing);
            assert!(act != Act::Panic || !first, "as told");
            Ok(json!({ "attempt": attempt }))
        };
        let writing = context.once(write);
        let noticing = async {
            context.stop.cancelled().await;
            self.stopped.send_replace(true);
            std::future::pending().await
        };
        let output = tokio::select! { output = writing => output?, never = noticing => never };
        Ok(Completion { output, toast: Toast::new(Level::Success, "It is written") })
    }
}

async fn kill_this_process() {
    let id = std::process::id().to_string();
    std::process::Command::new("kill").args(["-KILL", &id]).status().unwrap();
    std::future::pending().await
}
