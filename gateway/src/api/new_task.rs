//! A task to start, as a request, a client of the hub or a schedule asks for it.

use jiff::Timestamp;
use model::{Kind, Priority, TaskId};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::caller::Caller;

/// The size of a job on the broker; the input of a larger one is stored as a file.
pub(super) const MAX_JOB_BYTES: usize = 64 * 1024;
/// The size of an idempotency key.
const MAX_KEY_BYTES: usize = 256;

/// Which task a request starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TaskKey {
    /// A new one.
    New,
    /// The one of an idempotency key, which another request may have started.
    Idempotent(TaskId),
}

impl TaskKey {
    /// That of a caller's idempotency key: the same on every pod, however it comes.
    pub(crate) fn of(key: &str, caller: &Caller) -> Result<Self, Problem> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(Self::invalid());
        }
        let environment = &caller.environment;
        // Signed, so that nobody else can work it out from names.
        let key = environment.key.internal.sign(format!("task {} {key}", caller.claims.sub).as_bytes());
        Ok(Self::Idempotent(TaskId::derived(&environment.name, &caller.claims.sub, &key)))
    }

    /// The problem of a key that cannot be one.
    pub(crate) fn invalid() -> Problem {
        let detail = format!("Idempotency-Key: it must have 1 to {MAX_KEY_BYTES} bytes");
        Problem::bad_request("invalid-idempotency-key", detail)
    }
}

/// A task to start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// The kind of its function, such as `imports`.
    #[schema(value_type = String)]
    pub(crate) kind: Kind,
    /// A title for people; the kind if missing.
    pub(crate) title: Option<String>,
    /// The function's input.
    #[serde(default)]
    pub(crate) input: Value,
    /// It is not begun earlier; within a year.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) not_before: Option<Timestamp>,
    /// It is not begun before so much time has passed, as in `90s`, `15m`, `12h`, `30d`; instead of `not_before`.
    pub(crate) delay: Option<String>,
    /// `low` waits behind others. `high` overtakes them: with the scope `tasks:high`, or where the definition says so.
    #[schema(value_type = Option<String>)]
    pub(crate) priority: Option<Priority>,
    /// While an unfinished task of yours of this kind has the same, nothing is started and that one is answered; 256
    /// characters at most.
    pub(crate) unique: Option<String>,
    /// Its result goes to others than its owner, so that no other task stands for it; only a schedule says so.
    #[serde(skip)]
    pub(crate) is_delivered: bool,
}
