//! The schedules of an environment's catalogue, and for whom this gateway signs tasks without being asked.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::http::StatusCode;
use jiff::Timestamp;
use model::{
    Kind, Schedule, TaskId,
    catalogue::Description,
    schedule::{Times, placeholders},
};

use super::{
    beneficiary::{Beneficiary, check},
    record::ScheduleId,
};
use crate::{
    api::{
        problem::Problem,
        task_terms::HIGH_SCOPE,
        tasks::{self, NewTask, Started, TaskKey},
    },
    caller::Caller,
    pod::{EnvironmentState, Pod},
    token::Claims,
};

/// A schedule of a kind.
#[derive(Debug)]
pub struct KnownSchedule {
    /// The kind.
    pub(crate) kind: Kind,
    /// The schedule, as its worker describes it.
    pub(crate) schedule: Schedule,
    /// Its times, or why it starts nothing.
    times: Result<Times, String>,
}

impl KnownSchedule {
    fn new(kind: &Kind, schedule: &Schedule, allowed: &[Beneficiary]) -> Self {
        let times = schedule.times().map_err(|error| error.to_string());
        let times = times.and_then(|times| check(schedule, allowed).map(|()| times));
        Self { kind: kind.clone(), schedule: schedule.clone(), times }
    }

    /// Its kind and name.
    pub(crate) fn id(&self) -> ScheduleId {
        format!("{}/{}", self.kind, self.schedule.name)
    }

    /// Its times, or why it starts nothing here.
    pub(crate) fn times(&self) -> Result<&Times, &str> {
        self.times.as_ref().map_err(String::as_str)
    }

    /// The times by which it is told from one of the same name that was changed.
    pub(crate) fn rule(&self) -> String {
        let Schedule { cron, every, time_zone, .. } = &self.schedule;
        format!("{} {} {time_zone}", cron.as_deref().unwrap_or_default(), every.unwrap_or_default())
    }

    /// When its task of this time starts.
    pub(crate) fn start_of(&self, time: Timestamp) -> Timestamp {
        let delay: Duration = self.schedule.delay_at(&self.kind, time);
        time.checked_add(delay).unwrap_or(time)
    }

    /// When its next task after this time starts.
    pub(crate) fn next_start(&self, after: Timestamp) -> Option<Timestamp> {
        self.times.as_ref().ok()?.next(after).map(|time| self.start_of(time))
    }

    /// Its owner as a user of this gateway.
    pub(crate) fn caller(&self, environment: &Arc<EnvironmentState>) -> Caller {
        let claims = Claims {
            sub: self.schedule.owner.clone(),
            env: environment.name.to_string(),
            groups: self.schedule.groups.clone(),
            // Whoever writes a definition may say so.
            scope: format!("{} {HIGH_SCOPE}", tasks::SCOPE),
            exp: i64::MAX,
            iat: None,
            iss: None,
            aud: None,
        };
        Caller::from_claims(environment.clone(), claims)
    }

    /// The task of a time: the same on every pod, and nobody else can work it out.
    pub(crate) fn task_of(&self, environment: &EnvironmentState, time: Timestamp) -> TaskId {
        let key = environment.key.internal.sign(format!("schedule {} {time}", self.id()).as_bytes());
        TaskId::derived(&environment.name, &self.schedule.owner, &key)
    }

    /// Starts its task for a time; an idempotent one only once.
    pub(crate) async fn start(
        &self,
        pod: &Pod,
        environment: &Arc<EnvironmentState>,
        time: Timestamp,
        key: TaskKey,
    ) -> Result<Started, Problem> {
        let refused = |reason: &str| Problem::new(StatusCode::CONFLICT, "schedule-refused", reason);
        let times = self.times().map_err(refused)?;
        let input = placeholders::fill(&self.schedule.input, time, times.zone()).map_err(|reason| refused(&reason))?;
        let new = NewTask {
            kind: self.kind.clone(),
            title: Some(self.schedule.title.clone()),
            input,
            not_before: None,
            delay: None,
            priority: self.schedule.priority,
            unique: None,
            is_delivered: !self.schedule.recipients.is_empty(),
        };
        tasks::start(pod, &self.caller(environment), new, key, None, ()).await
    }
}

/// The schedules of these functions, by kind and name; those of `before` are not parsed again.
pub(crate) fn of(
    functions: &[Description],
    allowed: &[Beneficiary],
    before: &HashMap<ScheduleId, Arc<KnownSchedule>>,
) -> HashMap<ScheduleId, Arc<KnownSchedule>> {
    let all =
        functions.iter().flat_map(|function| function.schedules.iter().map(|schedule| (&function.kind, schedule)));
    let known = all.map(|(kind, schedule)| {
        let id = format!("{kind}/{}", schedule.name);
        let same = before.get(&id).filter(|before| before.schedule == *schedule).cloned();
        (id, same.unwrap_or_else(|| Arc::new(KnownSchedule::new(kind, schedule, allowed))))
    });
    known.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A schedule of reports with these fields, for ada.
    pub(in crate::schedules) fn known(fields: serde_json::Value) -> KnownSchedule {
        let mut json = json!({ "name": "a.b", "title": "T", "owner": "ada", "input": {}, "time_zone": "UTC" });
        json.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        KnownSchedule::new(&"reports".parse().unwrap(), &serde_json::from_value(json).unwrap(), &["*".parse().unwrap()])
    }
}
