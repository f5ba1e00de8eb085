//! `/api/approvals`: the questions of workflows to the caller; `/api/tasks/{id}/steps/{step}`: the caller's answer.

use std::time::Duration;

use axum::{Json, body::Body, extract::State, http::StatusCode};
use backplane::Destination;
use jiff::Timestamp;
use model::{
    Audience, TaskId,
    approval::{Answer, Decision, Question, ShownValue},
    catalogue::Field,
    task::is_step_id,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{
    asked_file::AskedFile,
    caught_up,
    problem::Problem,
    request::{PathParameters, read_json},
    tasks::SCOPE,
};
use crate::{
    caller::Caller,
    counted_caller::CountedCaller,
    dispatch::{asked_question::AskedQuestion, questions::Found},
    pod::{Pod, PodState},
};

const MAX_REQUEST_BYTES: usize = 16 * 1024;
const MAX_COMMENT_CHARS: usize = 500;
const MAX_LISTED: usize = 200;
/// The time that an answer may take through the log and back.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// The question.
    question: String,
    /// The digest of all of it and of the people who are asked; an answer names it.
    digest: String,
    /// The user who started the run.
    owner: String,
    /// The time of the question.
    #[schema(value_type = String, format = DateTime)]
    asked: Timestamp,
    /// The time by which it must be answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// How many people must approve; one rejection is enough.
    needed: usize,
    /// Who has approved already.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    approved_by: Vec<String>,
    /// Values that are shown with it, each with its title.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    shown: Vec<ShownValue>,
    /// The files that it is about; the caller may read them while it is open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<AskedFile>,
    /// The fields of the form that is filled in with an approval, as `GET /api/functions` has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    fields: Vec<Field>,
}

/// Open questions, newest first, the newest 200 at most.
#[derive(Debug, Serialize, ToSchema)]
pub struct Approvals {
    approvals: Vec<Approval>,
    /// The list is complete up to here: what happens later is told by `/events?after=`, on any pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// An answer: yes or no.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Decided)]
pub struct NewAnswer {
    /// `approve` or `reject`.
    #[schema(value_type = String)]
    decision: Decision,
    /// A comment, 500 characters at most.
    comment: Option<String>,
    /// The values of the question's form, by name; a rejection may leave them out.
    #[schema(value_type = Option<Object>)]
    answer: Option<Map<String, Value>>,
    /// The digest of the question that is answered, as `GET /api/approvals` and the event have it. Without it the step must
    /// ask the caller one question alone.
    digest: Option<String>,
}

/// The accepted answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stands)]
pub struct AcceptedAnswer {
    /// The workflow's run.
    #[schema(value_type = String)]
    task: TaskId,
    /// The step's id.
    step: String,
    /// `approve` or `reject`.
    #[schema(value_type = String)]
    decision: Decision,
    /// The user who answered.
    by: String,
    /// Their comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    /// The values of the question's form.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    answer: Map<String, Value>,
}

impl From<AskedQuestion> for Approval {
    fn from(asked: AskedQuestion) -> Self {
        let Question { task, step, title, question, owner, details } = asked.question;
        let files = details.files.iter().filter_map(|key| AskedFile::of(task, &step, key)).collect();
        Self {
            task,
            title,
            question,
            owner,
            digest: asked.digest,
            asked: asked.asked_at,
            until: details.until,
            needed: details.needed(),
            approved_by: asked.approved_by,
            shown: details.shown,
            files,
            fields: details.fields,
            step,
        }
    }
}

/// List the unanswered questions to the caller.
#[utoipa::path(
    get, path = "/api/approvals", tag = "approvals",
    responses((status = 200, body = Approvals), (status = 401, body = Problem), (status = 429, body = Problem)),
)]
pub async fn list(caller: CountedCaller) -> Result<Json<Approvals>, Problem> {
    // Read first: what comes between the two is in the list and told again, and not the other way round.
    let cursor = caller.environment.dispatch.cursor().map(|cursor| cursor.to_string());
    let asked = caller.environment.dispatch.open_questions(caller.recipient.clone(), MAX_LISTED).await?;
    Ok(Json(Approvals { approvals: asked.into_iter().map(Approval::from).collect(), cursor }))
}

/// Answer a question that a workflow asks the caller. Of several answers of one person the first stands, whichever pod was
/// asked, and none after that which decides.
#[utoipa::path(
    post, path = "/api/tasks/{id}/steps/{step}", tag = "approvals", operation_id = "decide", request_body = NewAnswer,
    params(("id" = String, Path), ("step" = String, Path)),
    responses(
        (status = 200, body = AcceptedAnswer, description = "the caller's answer is accepted"),
        (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem, description = "the question is not for the caller, or the run is the caller's own"), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "it is decided, or closed; the detail names who has answered. Or the step asks several questions, and the body has no digest"),
        (status = 408, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem),
    ),
)]
pub async fn answer(
    State(pod): State<Pod>,
    caller: CountedCaller,
    PathParameters((id, step)): PathParameters<(String, String)>,
    body: Body,
) -> Result<Json<AcceptedAnswer>, Problem> {
    caller.require(SCOPE)?;
    let NewAnswer { decision, comment, answer, digest } = read(&caller, &pod, body).await?;
    caller.require_unexpired()?;
    let (task, asked) = find(&caller, &id, &step, digest).await?;
    let (by, groups) = (caller.claims.sub.clone(), caller.claims.groups.clone());
    let Question { owner, details, .. } = &asked.question;
    if details.others_only && *owner == by {
        let detail = "you have started this run; somebody else must answer";
        return Err(Problem::new(StatusCode::FORBIDDEN, "own-run", detail));
    }
    let values = details.read_values(answer.unwrap_or_default(), decision);
    let values = values.map_err(|reason| Problem::bad_request("invalid-decision", format!("answer.{reason}")))?;
    let values = if details.fields.is_empty() { String::new() } else { Value::Object(values).to_string() };
    let digest = asked.digest.clone();
    let mine = Answer { task, step, digest, decision, by, groups, comment, values, signature: String::new() };
    let mine = caller.environment.key.signing.sign_answer(&caller.environment.name, mine);
    // Sent again, because the client got no reply or the first pod's answer had not come through the log yet.
    let own = asked.answers.iter().find(|answer| answer.by == mine.by);
    match own.or(asked.decided.as_ref()) {
        Some(answer) if *answer == mine => return Ok(Json(mine.into())),
        Some(answer) => return Err(already_answered(answer)),
        None => refuse_closed(&asked)?,
    }
    // Registered before it is published: the run may end, and its question be dropped, as soon as it is read.
    let dispatch = &caller.environment.dispatch;
    let first = dispatch.await_answer(caller.recipient.clone(), task, mine.step.clone(), mine.digest.clone()).await?;
    caller.environment.backplane.log.publish(Destination::Own, &mine.event(audience(&asked))).await?;
    match timeout(LOG_TIMEOUT, first).await {
        Ok(Ok(first)) if first == mine => return Ok(Json(mine.into())),
        Ok(Ok(first)) => return Err(already_answered(&first)),
        _ => {}
    }
    if let Ok((_, asked)) = find(&caller, &id, &mine.step, Some(mine.digest)).await {
        refuse_closed(&asked)?;
    }
    Err(Problem::unavailable("your answer was sent and is not confirmed yet; look again whether it was accepted"))
}

/// A question that has ended without an answer that decides it takes no more.
fn refuse_closed(asked: &AskedQuestion) -> Result<(), Problem> {
    let detail = match asked.closed.as_deref() {
        None => return Ok(()),
        Some("escalated") => "it is asked anew, of more people; look again",
        Some("expired") => "nobody has decided it in time; its run does not wait for an answer any more",
        Some(_) => "its run does not wait for an answer any more",
    };
    Err(Problem::new(StatusCode::CONFLICT, "closed", detail))
}

async fn read(caller: &Caller, pod: &PodState, body: Body) -> Result<NewAnswer, Problem> {
    let read = read_json::<NewAnswer>(caller, pod, body, MAX_REQUEST_BYTES, "invalid-decision", "decision");
    let (mut answer, _permit) = read.await?;
    let comment = answer.comment.as_deref().map(str::trim).unwrap_or_default();
    if comment.chars().count() > MAX_COMMENT_CHARS {
        let detail = format!("comment: it may have {MAX_COMMENT_CHARS} characters at most");
        return Err(Problem::bad_request("invalid-decision", detail));
    }
    answer.comment = (!comment.is_empty()).then(|| comment.to_owned());
    Ok(answer)
}

async fn find(
    caller: &Caller,
    id: &str,
    step: &str,
    digest: Option<String>,
) -> Result<(TaskId, AskedQuestion), Problem> {
    let not_found = || Problem::not_found("there is no such question, or the run has ended");
    let task: TaskId = id.parse().map_err(|_| not_found())?;
    if !is_step_id(step) {
        return Err(not_found());
    }
    let dispatch = &caller.environment.dispatch;
    let look = || async {
        let found = dispatch.find_question(caller.recipient.clone(), task, step.to_owned(), digest.clone()).await?;
        Ok(Some(found).filter(|found| !matches!(found, Found::Nothing)))
    };
    match caught_up::find(dispatch, look).await?.ok_or_else(not_found)? {
        Found::One(asked) => Ok((task, *asked)),
        Found::Nothing => Err(not_found()),
        Found::NotAsked => {
            let detail = "this question is asked of others; only they can answer it";
            Err(Problem::new(StatusCode::FORBIDDEN, "not-asked", detail))
        }
        Found::Several => {
            let detail = "digest: the step asks you more than one question; give the digest of the one that you answer";
            Err(Problem::new(StatusCode::CONFLICT, "several-questions", detail))
        }
    }
}

/// The people who were asked, and the user who started the run.
fn audience(asked: &AskedQuestion) -> Audience {
    let all = format!("{} user:{}", asked.audience, asked.question.owner);
    // One name too many: then the owner learns of it by the run's own events.
    all.parse().unwrap_or_else(|_| asked.audience.clone())
}

fn already_answered(answer: &Answer) -> Problem {
    let detail = format!("{} has {} it already", answer.by, answer.decision.participle());
    Problem::new(StatusCode::CONFLICT, "decided", detail)
}

impl From<Answer> for AcceptedAnswer {
    fn from(answer: Answer) -> Self {
        let values = answer.form_values();
        let Answer { task, step, decision, by, comment, .. } = answer;
        Self { task, step, decision, by, comment, answer: values }
    }
}
