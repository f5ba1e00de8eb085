//! The methods that clients of the hub may invoke. Names are not case-sensitive, as on the reference server.

use std::time::Duration;

use jiff::Timestamp;
use model::{Cursor, Priority};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    api::{
        problem::Problem,
        tasks::{self, NewTask, TaskKey, TaskView},
    },
    caller::Caller,
    dispatch::outbox::{EndReason, GapReason},
    pod::Pod,
    write::feed::EventFeed,
};

/// The time a pod may take to find out that a cursor lies beyond the end of the log.
const RESUME_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns true if a method of this name exists.
pub(super) fn is_known(name: &str) -> bool {
    ["resume", "refresh", "starttask", "canceltask", "listtasks"].contains(&name.to_ascii_lowercase().as_str())
}

/// Returns true if this is the method that gives a connection a new token, which its session carries out itself.
pub(super) fn is_refresh(name: &str) -> bool {
    name.eq_ignore_ascii_case("refresh")
}

/// Returns true if a method of this name changes nothing but what its client is sent.
pub(super) fn only_reads(name: &str) -> bool {
    ["resume", "listtasks"].contains(&name.to_ascii_lowercase().as_str())
}

/// The error for a method that does not exist, as the reference server words it.
pub(super) fn unknown(name: &str) -> String {
    format!("Unknown hub method '{}'", name.chars().take(80).collect::<String>())
}

/// Invokes a method for a client. Returns its result, and where that has changed the client's events from now on, with the
/// number of the window's entries that were read for them.
pub(super) async fn invoke(
    pod: &Pod,
    caller: &Caller,
    sends_cursors: bool,
    name: &str,
    arguments: Vec<Value>,
) -> Result<(Value, Option<(EventFeed, u64)>), String> {
    let begin = || {
        caller.environment.available().map_err(|problem| problem.to_string())?;
        caller.request_permit(pod).map_err(|problem| problem.to_string())
    };
    let _permit;
    let result = match name.to_ascii_lowercase().as_str() {
        "resume" => {
            let (gap, feed, entries) = resume(caller, sends_cursors, &arguments).await?;
            return Ok((gap, Some((feed, entries))));
        }
        "starttask" => {
            _permit = begin()?;
            start(pod, caller, arguments).await?
        }
        "canceltask" => {
            _permit = begin()?;
            cancel(caller, &arguments).await?
        }
        "listtasks" => {
            _permit = begin()?;
            list(caller, &arguments).await?
        }
        "refresh" => return Err(format!("'{name}' takes no streams")),
        _ => return Err(unknown(name)),
    };
    Ok((result, None))
}

async fn resume(caller: &Caller, sends_cursors: bool, arguments: &[Value]) -> Result<(Value, EventFeed, u64), String> {
    let [Value::String(cursor)] = arguments else {
        return Err("Resume takes a cursor, a string".to_owned());
    };
    let cursor = cursor.parse::<Cursor>().map_err(|error| format!("Resume: {error}"))?;
    let dispatch = &caller.environment.dispatch;
    let subscribed = dispatch.subscribe(caller.recipient.clone(), Some(cursor)).await;
    let mut feed = EventFeed::new(subscribed.map_err(|refusal| refusal.to_string())?, sends_cursors);
    match timeout(RESUME_TIMEOUT, feed.wait_for_replay()).await {
        Ok(Ok(gap)) => {
            // After a gap the whole window was read.
            let last = feed.dispatched().map_or(0, |last| last.offset);
            let entries = if gap.is_some() { u64::MAX } else { last.saturating_sub(cursor.offset) };
            Ok((json!({ "gap": gap.map(GapReason::as_str) }), feed, entries))
        }
        Ok(Err(end)) => Err(end.map_or("this pod is ending", EndReason::as_str).to_owned()),
        Err(_) => Err("this pod has not read that far yet; resume again, or elsewhere".to_owned()),
    }
}

/// What `POST /api/tasks` takes besides kind, input and title, its key among it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StartOptions {
    not_before: Option<Timestamp>,
    delay: Option<String>,
    priority: Option<Priority>,
    unique: Option<String>,
    idempotency_key: Option<String>,
}

async fn start(pod: &Pod, caller: &Caller, arguments: Vec<Value>) -> Result<Value, String> {
    let (new, key) = task_to_start(caller, arguments)?;
    let started = tasks::start(pod, caller, new, key, None, ()).await.map_err(|problem| problem.to_string())?;
    to_value(TaskView::from(started.task).existing(started.existing))
}

fn task_to_start(caller: &Caller, arguments: Vec<Value>) -> Result<(NewTask, TaskKey), String> {
    let wrong = || {
        "StartTask takes a kind (a string), an input, a title (a string or null), and options (an object or null)"
            .to_owned()
    };
    let mut arguments = arguments.into_iter();
    let (Some(Value::String(kind)), input, title, options, None) =
        (arguments.next(), arguments.next(), arguments.next(), arguments.next(), arguments.next())
    else {
        return Err(wrong());
    };
    let title = match title {
        None | Some(Value::Null) => None,
        Some(Value::String(title)) => Some(title),
        Some(_) => return Err(wrong()),
    };
    let options = match options {
        None | Some(Value::Null) => StartOptions::default(),
        Some(options @ Value::Object(_)) => serde_path_to_error::deserialize(options).map_err(|error| {
            Problem::bad_request("invalid-task", format!("the task is invalid: {error}")).to_string()
        })?,
        Some(_) => return Err(wrong()),
    };
    let kind = kind.parse().map_err(|error| format!("StartTask: kind: {error}"))?;
    let StartOptions { not_before, delay, priority, unique, idempotency_key } = options;
    let input = input.unwrap_or_default();
    let new = NewTask { kind, title, input, not_before, delay, priority, unique, is_delivered: false };
    let key = idempotency_key.map_or(Ok(TaskKey::New), |key| TaskKey::of(&key, caller));
    Ok((new, key.map_err(|problem| problem.to_string())?))
}

async fn cancel(caller: &Caller, arguments: &[Value]) -> Result<Value, String> {
    let [Value::String(id)] = arguments else {
        return Err("CancelTask takes a task's id, a string".to_owned());
    };
    to_value(TaskView::from(tasks::cancel(caller, id).await.map_err(|problem| problem.to_string())?))
}

async fn list(caller: &Caller, arguments: &[Value]) -> Result<Value, String> {
    if !arguments.is_empty() {
        return Err("ListTasks takes no arguments".to_owned());
    }
    to_value(tasks::list(caller, None).await.map_err(|problem| problem.to_string())?)
}

fn to_value(result: impl Serialize) -> Result<Value, String> {
    serde_json::to_value(result).map_err(|error| error.to_string())
}
