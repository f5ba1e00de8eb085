//! Claims for a task what no other unfinished one may have. The log decides, so that of two requests at the same moment, on
//! whichever pods, one starts a task and the other is answered with it.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use backplane::Destination;
use model::{Task, TaskId, claim::Claim};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{problem::Problem, task_terms::Unique};
use crate::caller::Caller;

const SOURCE: &str = "/gateway";
/// How long the log is waited for.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);

/// The outcome of a claim.
#[derive(Debug)]
pub(super) enum Claimed {
    /// The task has it, by this request or by an earlier one with the same key.
    Own { is_new: bool },
    /// This unfinished task of the caller's has it.
    Existing(Arc<Task>),
    /// This task of the caller's, which is to do the same, has it and was not heard of: it is started now, for its own request may
    /// have been lost. Were its job in a queue all the same, the two would be one task.
    Abandoned(TaskId),
}

/// An unfinished task of the caller's that has one of these digests.
pub(super) async fn existing(caller: &Caller, unique: &Unique) -> Result<Option<Arc<Task>>, Problem> {
    if unique.digests.is_empty() {
        return Ok(None);
    }
    let (claimed, _) = caller.environment.dispatch.claimed(unique.digests.clone()).await?;
    Ok(claimed.filter(|(holder, _)| holder.owner == caller.claims.sub).and_then(|(_, task)| task))
}

/// Claims these digests for a task; nothing to claim is a success.
pub(super) async fn claim(caller: &Caller, task: TaskId, unique: &Unique) -> Result<Claimed, Problem> {
    if unique.digests.is_empty() {
        return Ok(Claimed::Own { is_new: true });
    }
    let dispatch = &caller.environment.dispatch;
    if !dispatch.health.borrow().is_complete() {
        return Err(Problem::unavailable("this pod has not read the log up to now; send it again"));
    }
    let patience = Instant::now() + LOG_TIMEOUT;
    let (mut is_told, mut is_new) = (false, false);
    loop {
        let (claimed, changed) = dispatch.claimed(unique.digests.clone()).await?;
        match claimed {
            Some((holder, known)) if holder.task == task => {
                return match known.is_some() || holder.is_young() {
                    true => Ok(Claimed::Own { is_new }),
                    false => Err(ending()),
                };
            }
            Some((holder, _)) if holder.owner != caller.claims.sub => {
                let detail = "the same is under way for another user, and there is one at a time; try again later";
                return Err(Problem::new(StatusCode::CONFLICT, "not-unique", detail));
            }
            Some((_, Some(task))) => return Ok(Claimed::Existing(task)),
            Some((holder, None)) => {
                // Its request is submitting it, here or on another pod.
                is_told = false;
                if timeout_at(patience, changed).await.is_err() {
                    return match holder.work == unique.work {
                        true if holder.is_young() => Ok(Claimed::Abandoned(holder.task)),
                        true => Err(ending()),
                        false => Err(Problem::unavailable(
                            "another request that is the same in what is unique is being started; send it again",
                        )),
                    };
                }
            }
            None if is_told => {
                if timeout_at(patience, changed).await.is_err() {
                    return Err(Problem::unavailable(
                        "the log did not bring the claim of this task in time; send it again",
                    ));
                }
            }
            None => {
                publish(caller, &claim_of(caller, task, unique)).await?;
                (is_told, is_new) = (true, true);
            }
        }
        if Instant::now() >= patience {
            return Err(Problem::unavailable("others start the same again and again; send it again"));
        }
    }
}

/// Of a claim that is void soon: before its job were submitted, another request could have claimed the same.
fn ending() -> Problem {
    Problem::unavailable("an earlier request for the same came to nothing; send it again in half a minute")
        .retry_after(30)
}

/// Frees what a task has claimed that is not started.
pub(super) async fn withdraw(caller: &Caller, task: TaskId, unique: &Unique) {
    if unique.digests.is_empty() {
        return;
    }
    let claim = Claim { withdrawn: true, ..claim_of(caller, task, unique) };
    if let Err(problem) = publish(caller, &claim).await {
        // It is void by itself after a minute.
        warn!(%task, reason = problem.detail(), "the claim of a task that was refused is not withdrawn");
    }
}

fn claim_of(caller: &Caller, task: TaskId, unique: &Unique) -> Claim {
    let Unique { digests, work } = unique;
    Claim { task, owner: caller.claims.sub.clone(), unique: digests.clone(), work: work.clone(), withdrawn: false }
}

async fn publish(caller: &Caller, claim: &Claim) -> Result<(), Problem> {
    Ok(caller.environment.backplane.log.publish(Destination::Own, &claim.event(SOURCE)).await?)
}
