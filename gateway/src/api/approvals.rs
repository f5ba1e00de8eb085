//! `/api/approvals`: what workflows ask the caller; `/api/tasks/{id}/steps/{step}`: the caller's answer.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
};
use backplane::Destination;
use jiff::Timestamp;
use model::{
    Audience, TaskId,
    approval::{Answer, Decision},
    task::is_step_id,
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::{
    api::{problem::Problem, publish::whole, tasks::SCOPE},
    caller::Caller,
    dispatch::questions::Asked,
    pod::Pod,
};

const LARGEST_REQUEST: usize = 16 * 1024;
const LONGEST_COMMENT: usize = 500;
const MOST_LISTED: usize = 200;
/// How long an answer may take through the log and back.
const PATIENCE: Duration = Duration::from_secs(5);

/// A question to the caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct Approval {
    /// The workflow's run.
    #[schema(value_type = String)]
    task: TaskId,
    /// The step's id.
    step: String,
    /// The run's title.
    title: String,
    /// What is asked.
    question: String,
    /// Who started the run.
    owner: String,
    /// When it was asked.
    #[schema(value_type = String, format = DateTime)]
    asked: Timestamp,
}

/// Open questions, newest first, the newest 200 at most.
#[derive(Debug, Serialize, ToSchema)]
pub struct Approvals {
    approvals: Vec<Approval>,
}

/// Yes or no.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// `approve` or `reject`.
    #[schema(value_type = String)]
    decision: Decision,
    /// Words for it, 500 characters at most.
    comment: Option<String>,
}

/// The answer that stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stands {
    /// The workflow's run.
    #[schema(value_type = String)]
    task: TaskId,
    /// The step's id.
    step: String,
    /// `approve` or `reject`.
    #[schema(value_type = String)]
    decision: Decision,
    /// Who answered.
    by: String,
    /// Their words for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

impl From<Asked> for Approval {
    fn from(asked: Asked) -> Self {
        let question = asked.question;
        Self {
            task: question.task,
            step: question.step,
            title: question.title,
            question: question.question,
            owner: question.owner,
            asked: asked.asked,
        }
    }
}

/// List the questions that the caller is asked and nobody has answered.
#[utoipa::path(
    get, path = "/api/approvals", tag = "approvals",
    responses((status = 200, body = Approvals), (status = 401, body = Problem)),
)]
pub async fn list(State(_pod): State<Pod>, caller: Caller) -> Result<Json<Approvals>, Problem> {
    let asked = caller.environment.dispatch.questions(caller.listener.clone(), MOST_LISTED).await?;
    Ok(Json(Approvals { approvals: asked.into_iter().map(Approval::from).collect() }))
}

/// Answer a question that a workflow asks the caller. Of several answers the first stands, whichever pod was asked.
#[utoipa::path(
    post, path = "/api/tasks/{id}/steps/{step}", tag = "approvals", request_body = Decided,
    params(("id" = String, Path), ("step" = String, Path)),
    responses(
        (status = 200, body = Stands, description = "the caller's answer stands"),
        (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem, description = "the caller is not asked"), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "somebody has answered before; says who and what"),
        (status = 503, body = Problem),
    ),
)]
pub async fn decide(
    State(_pod): State<Pod>,
    caller: Caller,
    Path((id, step)): Path<(String, String)>,
    body: Body,
) -> Result<Json<Stands>, Problem> {
    caller.require(SCOPE)?;
    let Decided { decision, comment } = read(body).await?;
    let (task, asked) = find(&caller, &id, &step).await?;
    if !asked.audience.includes(&caller.claims.sub, &caller.claims.groups) {
        let detail = "this question is asked of others; only they can answer it";
        return Err(Problem::new(StatusCode::FORBIDDEN, "not-asked", detail));
    }
    let (by, groups) = (caller.claims.sub.clone(), caller.claims.groups.clone());
    let mine = Answer { task, step, decision, by, groups, comment };
    match &asked.answer {
        // Sent again because the first time was not answered, or at a pod that had not heard of it yet: one answer.
        Some(answer) if *answer == mine => return Ok(Json(mine.into())),
        Some(answer) => return Err(decided(answer)),
        None => {}
    }
    // Waited for before it is said: the run may end, and its question be forgotten, as soon as it is heard.
    let first = caller.environment.dispatch.answer(task, &mine.step).await?;
    caller.environment.backplane.log.publish(Destination::Own, &mine.event(hearers(&asked))).await?;
    match timeout(PATIENCE, first).await {
        Ok(Ok(first)) if first == mine => Ok(Json(mine.into())),
        Ok(Ok(first)) => Err(decided(&first)),
        _ => Err(Problem::unavailable("your answer was sent and is not heard yet; look again whether it stands")),
    }
}

async fn read(body: Body) -> Result<Decided, Problem> {
    let body = whole(body, LARGEST_REQUEST).await?;
    let mut decided: Decided = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(&body))
        .map_err(|error| Problem::bad_request("invalid-decision", format!("the decision is none: {error}")))?;
    let comment = decided.comment.as_deref().map(str::trim).unwrap_or_default();
    if comment.chars().count() > LONGEST_COMMENT {
        let detail = format!("comment: it may have {LONGEST_COMMENT} characters at most");
        return Err(Problem::bad_request("invalid-decision", detail));
    }
    decided.comment = (!comment.is_empty()).then(|| comment.to_owned());
    Ok(decided)
}

async fn find(caller: &Caller, id: &str, step: &str) -> Result<(TaskId, Asked), Problem> {
    let nothing = || Problem::not_found("nobody is asked anything there, or the run has ended");
    let task: TaskId = id.parse().map_err(|_| nothing())?;
    if !is_step_id(step) {
        return Err(nothing());
    }
    let asked = caller.environment.dispatch.question(task, step).await?.ok_or_else(nothing)?;
    Ok((task, asked))
}

/// Those who were asked, and who started the run.
fn hearers(asked: &Asked) -> Audience {
    let all = format!("{} user:{}", asked.audience, asked.question.owner);
    // One name too many: then the owner hears of it by the run's own words.
    all.parse().unwrap_or_else(|_| asked.audience.clone())
}

fn decided(answer: &Answer) -> Problem {
    let what = match answer.decision {
        Decision::Approve => "approved",
        Decision::Reject => "rejected",
    };
    Problem::new(StatusCode::CONFLICT, "decided", format!("{} has {what} it already", answer.by))
}

impl From<Answer> for Stands {
    fn from(answer: Answer) -> Self {
        let Answer { task, step, decision, by, comment, .. } = answer;
        Self { task, step, decision, by, comment }
    }
}
