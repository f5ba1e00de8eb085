//! What holds for a task that is to be started: its title, its time, its priority, and what no other unfinished task may have, by the request, its
//! definition and its function.

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use model::{Policies, Priority};
use process::quantity;
use serde_json::{Value, json};

use super::{
    new_task::{MAX_JOB_BYTES, NewTask, TaskKey},
    problem::Problem,
    request::with_json,
};
use crate::{caller::Caller, json_size::fits, pod::Pod};

/// The scope for high priority where the definition does not give it: else whoever likes would be before others.
pub(crate) const HIGH_SCOPE: &str = "tasks:high";
const MAX_UNIQUE_CHARS: usize = 256;
/// The longest delay of a task.
const LONGEST_DELAY_DAYS: i64 = 366;
const MAX_TITLE_CHARS: usize = 200;

/// What holds for a task.
pub(super) struct Terms {
    pub(super) priority: Priority,
    pub(super) unique: Unique,
}

/// What no other unfinished task may have.
#[derive(Default)]
pub(super) struct Unique {
    /// Digests that nobody else can make, the same on every pod; none where it need not be unique.
    pub(super) digests: Vec<String>,
    /// A digest of what the task is to do, and of the request where it has a key: with that nobody else goes on with it.
    pub(super) work: String,
}

/// What holds for this task.
pub(super) async fn of(pod: &Pod, caller: &Caller, new: NewTask, key: TaskKey) -> Result<(NewTask, Terms), Problem> {
    let functions = caller.environment.functions.known().await?;
    let function = functions.iter().find(|function| function.kind == new.kind);
    let none = Policies::default();
    let policy = function.map_or(&none, |function| &function.policies).of(&new.input);
    let priority = priority(new.priority, policy.priority(), caller.claims.has_scope(HIGH_SCOPE))?;
    if let Some(key) = &new.unique
        && (key.is_empty() || key.chars().count() > MAX_UNIQUE_CHARS)
    {
        let detail = format!("unique: it has 1 to {MAX_UNIQUE_CHARS} characters");
        return Err(Problem::bad_request("invalid-task", detail));
    }
    let by_policy = policy.unique().filter(|_| !new.is_delivered);
    if by_policy.is_none() && new.unique.is_none() {
        return Ok((new, Terms { priority, unique: Unique::default() }));
    }
    let by_policy = by_policy.map(|(definition, parts)| (definition.to_owned(), parts.to_vec()));
    let (owner, environment) = (caller.claims.sub.clone(), caller.environment.clone());
    let size = fits(&new.input, MAX_JOB_BYTES).unwrap_or(usize::MAX);
    with_json(pod, size, move || {
        let digest = |of: Value| environment.key.internal.sign(json!(["unique", new.kind, of]).to_string().as_bytes());
        let request = match key {
            TaskKey::New => None,
            TaskKey::Idempotent(id) => Some(id),
        };
        let mut digests = Vec::new();
        if let Some((definition, parts)) = by_policy {
            let parts: Vec<_> = parts.iter().map(|part| json!([part, part.value(&owner, &new.input)])).collect();
            digests.push(digest(json!(["policy", definition, parts])));
        }
        if let Some(key) = &new.unique {
            digests.push(digest(json!(["request", owner, key])));
        }
        let times = (new.not_before, &new.delay);
        let work = ("unique", &new.kind, ("work", &new.title, &new.input, times, priority, &digests, request));
        let work =
            serde_json::to_vec(&work).map_err(|error| Problem::bad_request("invalid-task", error.to_string()))?;
        let work = environment.key.internal.sign(&work);
        Ok((new, Terms { priority, unique: Unique { digests, work } }))
    })
    .await
}

/// The time before which a task is not begun.
pub(super) fn not_before(new: &NewTask) -> Result<Option<Timestamp>, Problem> {
    let invalid = |detail: String| Problem::bad_request("invalid-task", detail);
    let now = Timestamp::now();
    let time = match (new.not_before, new.delay.as_deref()) {
        (time, None) => time,
        (None, Some(delay)) => {
            let delay = quantity::parse_duration(delay).map_err(|reason| invalid(format!("delay: {reason}")))?;
            Some(now.checked_add(delay).map_err(|_| invalid(format!("delay: {LONGEST_DELAY_DAYS} days at most")))?)
        }
        (Some(_), Some(_)) => return Err(invalid("delay: it stands beside not_before; send one of them".to_owned())),
    };
    let latest = now + SignedDuration::from_hours(24 * LONGEST_DELAY_DAYS);
    if time.is_some_and(|time| time > latest) {
        return Err(invalid(format!("not_before, delay: {LONGEST_DELAY_DAYS} days at most")));
    }
    Ok(time.filter(|time| *time > now))
}

/// Its title for people.
pub(super) fn title(new: &NewTask) -> Result<String, Problem> {
    let title = new.title.as_deref().map(str::trim).unwrap_or_default();
    if title.chars().count() > MAX_TITLE_CHARS || title.chars().any(char::is_control) {
        let detail = format!("title: it may have {MAX_TITLE_CHARS} characters, none of them a control character");
        return Err(Problem::bad_request("invalid-task", detail));
    }
    Ok(if title.is_empty() { new.kind.to_string() } else { title.to_owned() })
}

/// A request may lower what the definition gives; it raises it only with a right.
fn priority(asked: Option<Priority>, given: Priority, may_be_high: bool) -> Result<Priority, Problem> {
    match asked {
        Some(asked) if asked > given && !may_be_high => {
            let detail = format!("priority: above that of the definition it needs the scope {HIGH_SCOPE}");
            Err(Problem::new(StatusCode::FORBIDDEN, "missing-scope", detail))
        }
        asked => Ok(asked.unwrap_or(given)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_likes_may_wait_and_only_some_may_overtake() {
        use Priority::{High, Low, Normal};
        let of = |asked, given, may_be_high| priority(asked, given, may_be_high).ok();
        assert_eq!([of(None, Normal, false), of(None, High, false)], [Some(Normal), Some(High)]);
        assert_eq!([of(Some(Low), High, false), of(Some(Normal), High, false)], [Some(Low), Some(Normal)]);
        assert_eq!([of(Some(High), Normal, false), of(Some(Normal), Low, false)], [None, None]);
        assert_eq!([of(Some(High), Normal, true), of(Some(High), Low, true)], [Some(High), Some(High)]);
    }
}
