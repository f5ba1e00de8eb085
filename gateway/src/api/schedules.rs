//! `/api/schedules`: what starts by itself, of one's own or of all; pausing it, and starting it now.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use model::{
    Kind, TaskId,
    schedule::{CatchUp, Overlap},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    problem::Problem,
    request::PathParameters,
    tasks::{self, TaskKey},
};
use crate::{
    caller::Caller,
    counted_caller::CountedCaller,
    pod::Pod,
    schedules::{
        known::{self, KnownSchedule},
        record::{LeftOut, Pause, Record, Said, StartedTask},
    },
};

/// The scope for seeing and pausing what belongs to others.
const OPERATE: &str = "operate";

/// Schedules, by kind and name.
#[derive(Debug, Serialize, ToSchema)]
pub struct Schedules {
    schedules: Vec<ScheduleView>,
}

/// A schedule as clients see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownSchedule)]
pub struct ScheduleView {
    /// The kind of its function.
    #[schema(value_type = String)]
    kind: Kind,
    /// Its name among those of the kind.
    name: String,
    /// The title of its tasks.
    title: String,
    /// The user whose tasks they are.
    owner: String,
    /// Five fields of cron; or `every`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    /// The seconds between two tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<u64>,
    /// The zone whose clocks it follows.
    time_zone: String,
    /// What becomes of times that were missed: `none`, `last` or `all`.
    #[schema(value_type = String)]
    catch_up: CatchUp,
    /// What becomes of a time at which the task before has not ended: `skip`, `queue` or `parallel`.
    #[schema(value_type = String)]
    overlap: Overlap,
    /// A task starts up to so many seconds later than its time.
    jitter: u64,
    /// Who gets what its tasks make besides their owner: `group:finance`, `boss@example.com`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<String>,
    /// When the next task starts; none while it pauses, or cannot.
    #[schema(value_type = Option<String>, format = DateTime)]
    next: Option<Timestamp>,
    /// The last task that started by itself.
    #[schema(value_type = Option<Object>)]
    last: Option<StartedTask>,
    /// The last time that was left out, and why.
    #[schema(value_type = Option<Object>)]
    left_out: Option<LeftOut>,
    /// Who pauses it, and since when.
    #[schema(value_type = Option<Object>)]
    paused: Option<Pause>,
    /// Why nothing starts.
    problem: Option<String>,
}

/// A task that was started now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Run {
    /// Its id; it is the task of the schedule's owner.
    #[schema(value_type = String)]
    task: TaskId,
}

impl ScheduleView {
    fn new(known: &KnownSchedule, record: Option<&Record>, said: Option<&Said>) -> Self {
        let schedule = &known.schedule;
        let paused = said.and_then(|said| said.pause.clone());
        let problem = known.times().err().map(str::to_owned);
        let problem = problem.or_else(|| record.and_then(|record| record.problem.clone()));
        let after = record.map_or_else(Timestamp::now, |record| record.decided);
        Self {
            kind: known.kind.clone(),
            name: schedule.name.clone(),
            title: schedule.title.clone(),
            owner: schedule.owner.clone(),
            cron: schedule.cron.clone(),
            every: schedule.every,
            time_zone: schedule.time_zone.clone(),
            catch_up: schedule.catch_up,
            overlap: schedule.overlap,
            jitter: schedule.jitter,
            recipients: schedule.recipients.clone(),
            next: if paused.is_some() { None } else { known.next_start(after) },
            last: record.and_then(|record| record.last.clone()),
            left_out: record.and_then(|record| record.left_out.clone()),
            paused,
            problem,
        }
    }
}

/// The schedules that a caller may see.
async fn visible(pod: &Pod, caller: &Caller) -> Result<Vec<Arc<KnownSchedule>>, Problem> {
    let functions = caller.environment.functions.all().await?;
    let all = known::of(&functions, &pod.config.schedules_for, &HashMap::new());
    let sees_all = caller.claims.has_scope(OPERATE);
    let mut visible: Vec<_> =
        all.into_values().filter(|known| sees_all || known.schedule.owner == caller.claims.sub).collect();
    visible.sort_unstable_by_key(|known| known.id());
    Ok(visible)
}

/// One of them, to be changed.
async fn find(pod: &Pod, caller: &Caller, (kind, name): (String, String)) -> Result<Arc<KnownSchedule>, Problem> {
    if !caller.claims.has_scope(OPERATE) {
        caller.require(tasks::SCOPE)?;
    }
    let visible = visible(pod, caller).await?;
    let found = visible.into_iter().find(|known| known.kind.as_str() == kind && known.schedule.name == name);
    found.ok_or_else(|| Problem::not_found("there is no such schedule of yours"))
}

async fn view(caller: &Caller, known: &KnownSchedule) -> Result<Json<ScheduleView>, Problem> {
    let book = &caller.environment.schedules;
    let (records, said) = (book.records().await?, book.said().await?);
    Ok(Json(ScheduleView::new(known, records.get(&known.id()), said.get(&known.id()))))
}

/// List what starts by itself: one's own; all with the scope `operate`.
#[utoipa::path(
    get, path = "/api/schedules", tag = "schedules",
    responses((status = 200, body = Schedules), (status = 401, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)),
)]
pub async fn list(State(pod): State<Pod>, caller: CountedCaller) -> Result<Json<Schedules>, Problem> {
    let book = &caller.environment.schedules;
    let (visible, records, said) = (visible(&pod, &caller).await?, book.records().await?, book.said().await?);
    let views = visible.iter().map(|known| ScheduleView::new(known, records.get(&known.id()), said.get(&known.id())));
    Ok(Json(Schedules { schedules: views.collect() }))
}

/// Pause a schedule, until it is resumed; what its times would have started is not made up for.
#[utoipa::path(
    post, path = "/api/schedules/{kind}/{name}/pause", tag = "schedules", operation_id = "pause_schedule",
    params(("kind" = String, Path), ("name" = String, Path)),
    responses(
        (status = 200, body = ScheduleView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem, description = "also for another's"), (status = 503, body = Problem),
    ),
)]
pub async fn pause(
    State(pod): State<Pod>,
    caller: CountedCaller,
    PathParameters(path): PathParameters<(String, String)>,
) -> Result<Json<ScheduleView>, Problem> {
    let known = find(&pod, &caller, path).await?;
    let pause = Pause::now(&caller.claims.sub);
    let change = |said: &mut Said| {
        said.pause.get_or_insert(pause);
    };
    caller.environment.schedules.say(&known.kind, &known.schedule.name, change).await?;
    view(&caller, &known).await
}

/// Resume a schedule.
#[utoipa::path(
    post, path = "/api/schedules/{kind}/{name}/resume", tag = "schedules", operation_id = "resume_schedule",
    params(("kind" = String, Path), ("name" = String, Path)),
    responses(
        (status = 200, body = ScheduleView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem, description = "also for another's"), (status = 503, body = Problem),
    ),
)]
pub async fn resume(
    State(pod): State<Pod>,
    caller: CountedCaller,
    PathParameters(path): PathParameters<(String, String)>,
) -> Result<Json<ScheduleView>, Problem> {
    let known = find(&pod, &caller, path).await?;
    let change = |said: &mut Said| {
        if said.pause.take().is_some() {
            said.resumed = Some(Timestamp::now());
        }
    };
    caller.environment.schedules.say(&known.kind, &known.schedule.name, change).await?;
    view(&caller, &known).await
}

/// Start its task now, paused or not; it is a task of the schedule's owner.
#[utoipa::path(
    post, path = "/api/schedules/{kind}/{name}/run", tag = "schedules", operation_id = "run_schedule",
    params(("kind" = String, Path), ("name" = String, Path)),
    responses(
        (status = 202, body = Run, description = "`Location` is where its owner sees the task; where it is unique, of the one that is there already"),
        (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem, description = "also for another's"),
        (status = 409, body = Problem, description = "this gateway may not start it; or the same, which is unique, is under way for another user"),
        (status = 429, body = Problem), (status = 503, body = Problem),
    ),
)]
pub async fn run(
    State(pod): State<Pod>,
    caller: CountedCaller,
    PathParameters(path): PathParameters<(String, String)>,
) -> Result<Response, Problem> {
    let known = find(&pod, &caller, path).await?;
    let time = Timestamp::now();
    let task = known.start(&pod, &caller.environment, time, TaskKey::New).await?.task.id;
    let started = StartedTask { time, task, owner: known.schedule.owner.clone(), started: time };
    // So that its next time knows of it.
    caller.environment.schedules.say(&known.kind, &known.schedule.name, |said| said.run = Some(started)).await?;
    let location = [(header::LOCATION, format!("/api/tasks/{task}"))];
    Ok((StatusCode::ACCEPTED, location, Json(Run { task })).into_response())
}
