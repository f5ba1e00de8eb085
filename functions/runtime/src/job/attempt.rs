//! One run of a function: in a task of its own, with a deadline, and stopped from outside.

use std::{any::Any, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    task::JoinError,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{Instrument, error, warn};

use crate::{
    context::Context, failure::Failure, function::Completion, job::input::JobInput, json_function::JsonFunction,
};

/// The time that a function gets to stop without an effect.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// The same when the process is about to end.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// The outcome of a run.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It has had its effect.
    Completed(Completion<Value>),
    /// It returned an error.
    Failed(Failure),
    /// It panicked, and may have left anything.
    Panicked,
    /// It took longer than this limit.
    TimedOut(Duration),
    /// Its owner cancelled it.
    Cancelled,
    /// The host stops; another worker shall run it.
    Requeued,
}

/// The signals that stop a run from outside.
pub(crate) struct StopSignals {
    /// Its owner cancelled it.
    pub(crate) cancelled: CancellationToken,
    /// The host's grace is over.
    pub(crate) grace_over: CancellationToken,
}

/// Runs a function once; returns when it has ended, or has not stopped in time and is abandoned.
pub(crate) async fn attempt(
    function: Arc<JsonFunction>,
    context: Context,
    input: JobInput,
    signals: &StopSignals,
) -> Outcome {
    let stop = context.stop.clone();
    let limit = function.deadline();
    let run = async move {
        let input = input.read(&context.files).await?;
        function.run(&context, input).await
    };
    // A task of its own: a panic in it is a value here.
    let mut run = AbortOnDropHandle::new(tokio::spawn(run.in_current_span()));
    let (otherwise, stop_timeout) = tokio::select! {
        ended = &mut run => return outcome(ended),
        () = signals.cancelled.cancelled() => (Outcome::Cancelled, STOP_TIMEOUT),
        () = signals.grace_over.cancelled() => (Outcome::Requeued, SHUTDOWN_TIMEOUT),
        () = sleep(limit) => (Outcome::TimedOut(limit), STOP_TIMEOUT),
    };
    stop.cancel();
    let stopped = tokio::select! {
        ended = timeout(stop_timeout, &mut run) => ended,
        () = shut_down(signals) => timeout(Duration::ZERO, &mut run).await,
    };
    match stopped.map(outcome) {
        // It had its effect before it saw the signal, or its input never was right: that counts.
        Ok(ended @ (Outcome::Completed(_) | Outcome::Failed(Failure::Permanent { .. } | Failure::Refused(_)))) => ended,
        Ok(_) => otherwise,
        Err(_) => {
            warn!("the function did not stop in time; it is abandoned");
            otherwise
        }
    }
}

/// A run that is stopping for another reason has as long as all others once the grace is over.
async fn shut_down(signals: &StopSignals) {
    signals.grace_over.cancelled().await;
    sleep(SHUTDOWN_TIMEOUT).await;
}

fn outcome(ended: Result<Result<Completion<Value>, Failure>, JoinError>) -> Outcome {
    match ended {
        Ok(Ok(completion)) => Outcome::Completed(completion),
        Ok(Err(failure)) => Outcome::Failed(failure),
        Err(error) => {
            let message = error.try_into_panic().map(|panic| message(panic.as_ref())).unwrap_or_default();
            error!(panic = message, "the function panicked");
            Outcome::Panicked
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no message".to_owned(),
    }
}
