//! Functions of any input and output, called with JSON.

use std::time::Duration;

use async_trait::async_trait;
use backplane::follow::FollowItem;
use model::{
    Kind, Policies,
    catalogue::{Description, Offer},
    schedule::Schedule,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    context::Context,
    definitions::Faults,
    failure::Failure,
    function::{Completion, Function},
    worker_context::WorkerContext,
};

/// A function as the host calls it.
pub(crate) type JsonFunction = dyn Function<Input = Value, Output = Value>;

/// Makes a function one of JSON.
pub(crate) struct JsonAdapter<F>(pub(crate) F);

#[async_trait]
impl<F: Function> Function for JsonAdapter<F> {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        self.0.kind()
    }

    fn title(&self) -> String {
        self.0.title()
    }

    fn offers(&self) -> Vec<Offer> {
        self.0.offers()
    }

    fn schedules(&self) -> Vec<Schedule> {
        self.0.schedules()
    }

    fn policies(&self) -> Policies {
        self.0.policies()
    }

    fn deadline(&self) -> Duration {
        self.0.deadline()
    }

    fn completes_in_background(&self) -> bool {
        self.0.completes_in_background()
    }

    async fn run(&self, context: &Context, input: Value) -> Result<Completion<Value>, Failure> {
        run(&self.0, context, input).await
    }

    async fn background(&self, worker: &WorkerContext, stop: CancellationToken) -> anyhow::Result<()> {
        self.0.background(worker, stop).await
    }

    fn reread(&self) -> Option<Result<(), Faults>> {
        self.0.reread()
    }

    async fn on_log_item(&self, item: &FollowItem) {
        self.0.on_log_item(item).await;
    }

    /// With the schema of the function's own input.
    fn description(&self) -> Description {
        self.0.description()
    }
}

/// Runs a function, its input read from JSON and its output written to it.
pub(crate) async fn run(
    function: &impl Function,
    context: &Context,
    input: Value,
) -> Result<Completion<Value>, Failure> {
    let Completion { output, toast } = function.run(context, parse(input)?).await?;
    let output = serde_json::to_value(output).map_err(|error| Failure::Permanent {
        reason: "output",
        message: format!("its result cannot be written as JSON: {error}"),
    })?;
    Ok(Completion { output, toast })
}

/// Parses an input; an error names the path of the field.
fn parse<T: DeserializeOwned>(input: Value) -> Result<T, Failure> {
    serde_path_to_error::deserialize(input).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        match path.as_str() {
            "." => Failure::input(format!("input: {inner}")),
            path => Failure::input(format!("input.{path}: {inner}")),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        #[expect(dead_code, reason = "what matters is whether it can be read")]
        table: String,
    }

    #[test]
    fn what_is_wrong_with_an_input_is_named_with_its_field() {
        for (input, field) in [
            (json!({}), "missing field `table`"),
            (json!({ "table": "t", "tabel": "t" }), "unknown field `tabel`"),
            (json!({ "table": 7 }), "input.table: invalid type"),
            (json!("t"), "input: invalid type"),
        ] {
            let failure = parse::<Input>(input).unwrap_err();
            assert!(matches!(failure, Failure::Permanent { reason: "input", .. }));
            assert!(failure.to_string().contains(field), "{failure}");
        }
    }
}
