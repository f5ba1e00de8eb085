//! One run of a function: in a task of its own, with a deadline, and stopped from outside.

use std::{any::Any, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::task::JoinError;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{Instrument, error, warn};

use crate::{context::Context, erased::Erased, failure::Failure, function::Completion, job_input::JobInput};

/// How long a function that was told to stop may take to leave no effect.
const UNWINDING: Duration = Duration::from_secs(60);
/// The same when the process is about to end.
pub(crate) const UNWINDING_AT_STOP: Duration = Duration::from_secs(3);

/// What a run came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Its effect is there.
    Completed(Completion<Value>),
    /// It said why not.
    Failed(Failure),
    /// It panicked, and left what it left.
    Panicked,
    /// It took longer than it may; the number is its limit.
    TimedOut(Duration),
    /// Its owner took it back.
    Cancelled,
    /// The host stops; somebody else shall do it.
    Requeue,
}

/// What may stop a run from outside.
pub(crate) struct Stops {
    /// Its owner took it back.
    pub(crate) cancelled: CancellationToken,
    /// The host's grace is over.
    pub(crate) giving_up: CancellationToken,
}

/// Runs a function once; returns when it has ended, or did not stop in time and was left behind.
pub(crate) async fn attempt(function: Arc<dyn Erased>, context: Context, input: JobInput, stops: &Stops) -> Outcome {
    let stop = context.stop.clone();
    let limit = function.limit();
    let run = async move {
        let input = input.read(&context.files).await?;
        function.run_json(&context, input).await
    };
    // A task of its own: a panic in it is a value here.
    let mut run = AbortOnDropHandle::new(tokio::spawn(run.in_current_span()));
    let (otherwise, patience) = tokio::select! {
        ended = &mut run => return outcome(ended),
        () = stops.cancelled.cancelled() => (Outcome::Cancelled, UNWINDING),
        () = stops.giving_up.cancelled() => (Outcome::Requeue, UNWINDING_AT_STOP),
        () = tokio::time::sleep(limit) => (Outcome::TimedOut(limit), UNWINDING),
    };
    stop.cancel();
    let unwound = tokio::select! {
        ended = tokio::time::timeout(patience, &mut run) => ended,
        () = given_up(stops) => tokio::time::timeout(Duration::ZERO, &mut run).await,
    };
    match unwound.map(outcome) {
        // The effect came about before it saw the word to stop, or its input never was right: that stands.
        Ok(ended @ (Outcome::Completed(_) | Outcome::Failed(Failure::Permanent { .. }))) => ended,
        Ok(_) => otherwise,
        Err(_) => {
            warn!("the function did not stop in time; it is left behind");
            otherwise
        }
    }
}

/// A run that is unwinding for another reason has as long as all others once the host gives up.
async fn given_up(stops: &Stops) {
    stops.giving_up.cancelled().await;
    tokio::time::sleep(UNWINDING_AT_STOP).await;
}

fn outcome(ended: Result<Result<Completion<Value>, Failure>, JoinError>) -> Outcome {
    match ended {
        Ok(Ok(completion)) => Outcome::Completed(completion),
        Ok(Err(failure)) => Outcome::Failed(failure),
        Err(error) => {
            let text = error.try_into_panic().map(|panic| words_of(panic.as_ref())).unwrap_or_default();
            error!(panic = text, "the function panicked");
            Outcome::Panicked
        }
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no words".to_owned(),
    }
}
