//! What a function is.

use std::time::Duration;

use async_trait::async_trait;
use backplane::{Kind, Toast};
use serde::{Serialize, de::DeserializeOwned};

use crate::{context::Context, failure::Failure};

/// What a run comes to: the task's `result`, and the words shown to its owner.
#[derive(Debug, Clone)]
pub struct Completion<Output> {
    /// Becomes the task's `result`, a JSON object; `href` in it is a link to more.
    pub output: Output,
    /// What the owner sees.
    pub toast: Toast,
}

/// A function: a type with a kind, an input, an output and `run`.
///
/// It may be run more than once for one task (at least once); its effect must come about once, so it is
/// fenced by [`Context::task`] in the same transaction.
#[async_trait]
pub trait Function: Send + Sync + 'static {
    /// What it is given, read from JSON before it runs; wrong input is a permanent failure that names the field.
    type Input: DeserializeOwned + Send;
    /// What it gives back.
    type Output: Serialize + Send;

    /// Its kind: the last part of its queue's name.
    fn kind(&self) -> Kind;

    /// How long one run may take; below the broker's consumer timeout of 30 minutes.
    fn deadline(&self) -> Duration {
        Duration::from_secs(20 * 60)
    }

    /// Does the work.
    async fn run(&self, context: &Context, input: Self::Input) -> Result<Completion<Self::Output>, Failure>;
}
