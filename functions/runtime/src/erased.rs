//! A function of any input and output, over JSON.

use std::time::Duration;

use async_trait::async_trait;
use model::{Kind, catalogue::Description};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    context::Context,
    failure::Failure,
    function::{Completion, Function},
    host::WorkerContext,
};

/// What the host knows of a function.
#[async_trait]
pub(crate) trait Erased: Send + Sync + 'static {
    fn name(&self) -> Kind;
    fn limit(&self) -> Duration;
    fn describe(&self) -> Description;
    fn continues(&self) -> bool;
    async fn background(&self, worker: &WorkerContext, stop: CancellationToken) -> anyhow::Result<()>;
    async fn run_json(&self, context: &Context, input: Value) -> Result<Completion<Value>, Failure>;
}

#[async_trait]
impl<F: Function> Erased for F {
    fn name(&self) -> Kind {
        self.kind()
    }

    fn limit(&self) -> Duration {
        self.deadline()
    }

    fn describe(&self) -> Description {
        self.description()
    }

    fn continues(&self) -> bool {
        self.only_begins()
    }

    async fn background(&self, worker: &WorkerContext, stop: CancellationToken) -> anyhow::Result<()> {
        self.background(worker, stop).await
    }

    async fn run_json(&self, context: &Context, input: Value) -> Result<Completion<Value>, Failure> {
        let input = read_input(input)?;
        let Completion { output, toast } = self.run(context, input).await?;
        let output = serde_json::to_value(output).map_err(|error| Failure::Permanent {
            reason: "output",
            message: format!("its result cannot be written as JSON: {error}"),
        })?;
        Ok(Completion { output, toast })
    }
}

/// Reads an input; what is wrong with it is said with the path of the field.
fn read_input<T: DeserializeOwned>(input: Value) -> Result<T, Failure> {
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
            let failure = read_input::<Input>(input).unwrap_err();
            assert!(matches!(failure, Failure::Permanent { reason: "input", .. }));
            assert!(failure.to_string().contains(field), "{failure}");
        }
    }
}
