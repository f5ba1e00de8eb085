//! What a client of the hub may invoke. Names count without regard to case, as on the reference server.

use std::time::Duration;

use model::{Cursor, TaskId};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::session::{After, Session};
use crate::{
    api::{
        problem::Problem,
        tasks::{self, NewTask, TaskView},
    },
    dispatch::outbox::EndReason,
    write::feed::EventFeed,
};

/// How long a pod may take to find out that a cursor lies beyond all there is.
const FINDING: Duration = Duration::from_secs(10);

/// What came of an invocation.
pub(super) struct Invoked {
    /// Its result, or words for the caller.
    pub(super) outcome: Result<Value, String>,
    /// What the client is told from now on, where that has changed.
    pub(super) telling: Option<EventFeed>,
}

impl Invoked {
    pub(super) fn error(words: String) -> Self {
        Self { outcome: Err(words), telling: None }
    }
}

#[derive(Clone, Copy)]
enum Method {
    Resume,
    StartTask,
    CancelTask,
    ListTasks,
}

impl Method {
    fn find(name: &str) -> Option<Self> {
        let all = [
            ("Resume", Self::Resume),
            ("StartTask", Self::StartTask),
            ("CancelTask", Self::CancelTask),
            ("ListTasks", Self::ListTasks),
        ];
        all.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, method)| method)
    }
}

/// Whether there is such a method.
pub(super) fn is_known(name: &str) -> bool {
    Method::find(name).is_some()
}

/// What somebody is told who invokes a method that is not there; the reference server's words.
pub(super) fn unknown(name: &str) -> String {
    format!("Unknown hub method '{}'", name.chars().take(80).collect::<String>())
}

/// Does what a client invokes.
pub(super) async fn invoke(session: &Session, name: &str, arguments: Vec<Value>) -> Invoked {
    let Some(method) = Method::find(name) else {
        return Invoked::error(unknown(name));
    };
    let outcome = match method {
        Method::Resume => return resume(session, &arguments).await,
        Method::StartTask => start(session, arguments).await,
        Method::CancelTask => cancel(session, &arguments).await,
        Method::ListTasks => list(session, &arguments).await,
    };
    Invoked { outcome, telling: None }
}

async fn resume(session: &Session, arguments: &[Value]) -> Invoked {
    let cursor = match arguments {
        [Value::String(cursor)] => cursor.parse::<Cursor>().map_err(|error| format!("Resume: {error}")),
        _ => Err("Resume takes a cursor, a string".to_owned()),
    };
    let cursor = match cursor {
        Ok(cursor) => cursor,
        Err(words) => return Invoked::error(words),
    };
    let caller = &session.caller;
    let subscription = match caller.gate.dispatch.resume(caller.listener.clone(), cursor).await {
        Ok(subscription) => subscription,
        Err(refusal) => return Invoked::error(refusal.to_string()),
    };
    let mut telling = EventFeed::new(subscription, session.after != After::Unasked);
    match timeout(FINDING, telling.wait_for_replay()).await {
        Ok(Ok(gap)) => {
            let gap = gap.map(|reason| reason.as_str());
            Invoked { outcome: Ok(json!({ "gap": gap })), telling: Some(telling) }
        }
        Ok(Err(end)) => Invoked::error(end.map_or("this pod is ending", EndReason::as_str).to_owned()),
        Err(_) => Invoked::error("this pod has not read that far yet; resume again, or elsewhere".to_owned()),
    }
}

async fn start(session: &Session, arguments: Vec<Value>) -> Result<Value, String> {
    let wrong = || "StartTask takes a kind (a string), an input, and a title (a string or null)".to_owned();
    let mut arguments = arguments.into_iter();
    let (Some(Value::String(kind)), input, title, None) =
        (arguments.next(), arguments.next(), arguments.next(), arguments.next())
    else {
        return Err(wrong());
    };
    let title = match title {
        None | Some(Value::Null) => None,
        Some(Value::String(title)) => Some(title),
        Some(_) => return Err(wrong()),
    };
    let kind = kind.parse().map_err(|error| format!("StartTask: kind: {error}"))?;
    let asked = NewTask { kind, title, input: input.unwrap_or_default() };
    let task = tasks::start(&session.pod, &session.caller, asked, TaskId::new(), None).await.map_err(told)?;
    shown(TaskView::from(task))
}

async fn cancel(session: &Session, arguments: &[Value]) -> Result<Value, String> {
    let [Value::String(id)] = arguments else {
        return Err("CancelTask takes a task's id, a string".to_owned());
    };
    shown(TaskView::from(tasks::cancel(&session.caller, id).await.map_err(told)?))
}

async fn list(session: &Session, arguments: &[Value]) -> Result<Value, String> {
    if !arguments.is_empty() {
        return Err("ListTasks takes no arguments".to_owned());
    }
    shown(tasks::list(&session.caller, None).await.map_err(told)?)
}

fn shown(result: impl Serialize) -> Result<Value, String> {
    serde_json::to_value(result).map_err(|error| error.to_string())
}

/// A problem in one line: its word, and what is wrong.
fn told(problem: Problem) -> String {
    problem.to_string()
}
