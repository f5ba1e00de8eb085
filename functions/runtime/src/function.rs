//! The trait of a function.

use std::time::Duration;

use async_trait::async_trait;
use backplane::follow::FollowItem;
use model::{
    Kind, Policies, Toast,
    catalogue::{Description, Offer},
    schedule::Schedule,
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    context::Context, definitions::Faults, failure::Failure, form::from_schema, worker_context::WorkerContext,
};

/// The longest deadline: the broker takes an unacknowledged job back after 30 minutes. Longer work is a workflow.
pub const MAX_RUN: Duration = Duration::from_secs(25 * 60);

/// The result of a run, and the toast for its owner.
#[derive(Debug, Clone)]
pub struct Completion<Output> {
    /// Becomes the task's `result`, as JSON; in an object `href` is a link to more.
    pub output: Output,
    /// The toast that the owner sees.
    pub toast: Toast,
}

/// A function: a type with a kind, an input, an output and `run`.
///
/// It may be run more than once for one task (at least once); its effect must come about once, so it is
/// fenced by [`Context::task`] in the same transaction, as [`Context::once`] does.
#[async_trait]
pub trait Function: Send + Sync + 'static {
    /// The input: checked against its JSON Schema before the run; wrong input is a permanent failure that names the
    /// field.
    type Input: DeserializeOwned + JsonSchema + Send;
    /// The result.
    type Output: Serialize + Send;

    /// The kind: the last part of its queue's name.
    fn kind(&self) -> Kind;

    /// The title in the catalogue; the kind by default.
    fn title(&self) -> String {
        self.kind().to_string()
    }

    /// The forms that start it. By default one with a field for each property of its input, where those are texts, numbers,
    /// dates or yes and no; its title is the function's, a field's hint the property's doc comment.
    fn offers(&self) -> Vec<Offer> {
        from_schema::offer(self.title(), &schema_of::<Self::Input>()).into_iter().collect()
    }

    /// What starts by itself; gateways start it, if their `gateway.schedules_for` allows its owner.
    fn schedules(&self) -> Vec<Schedule> {
        Vec::new()
    }

    /// How its jobs are treated: their priority, attempts, uniqueness and rate. What the worker's settings say goes before it.
    fn policies(&self) -> Policies {
        Policies::default()
    }

    /// The time limit of one run: [`MAX_RUN`] at most, which is checked at start.
    fn deadline(&self) -> Duration {
        Duration::from_secs(20 * 60)
    }

    /// True if `run` only begins its task, and [`Function::background`] publishes the rest of it, its end included.
    fn completes_in_background(&self) -> bool {
        false
    }

    /// Does the work.
    async fn run(&self, context: &Context, input: Self::Input) -> Result<Completion<Self::Output>, Failure>;

    /// Runs in the background as long as its host runs; an error ends the host. Returns soon after `stop`.
    async fn background(&self, _worker: &WorkerContext, stop: CancellationToken) -> anyhow::Result<()> {
        stop.cancelled().await;
        Ok(())
    }

    /// Reads the files of its definitions again if they have changed, of which it then says something else: offers, schedules
    /// and policies. What is wrong is an error, and leaves everything as it was. May block; it is asked every few seconds.
    fn reread(&self) -> Option<Result<(), Faults>> {
        None
    }

    /// Called with each item of the environment's log, in order; the host reads the next once this returns. For
    /// background work that follows the log.
    async fn on_log_item(&self, _item: &FollowItem) {}

    /// The entry in the catalogue.
    fn description(&self) -> Description {
        let input = schema_of::<Self::Input>();
        let (offers, schedules) = (self.offers(), self.schedules());
        let policies = self.policies();
        Description { kind: self.kind(), title: self.title(), input, offers, schedules, policies }
    }
}

fn schema_of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}
