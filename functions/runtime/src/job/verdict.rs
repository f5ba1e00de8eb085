//! The decision about a job after a run.

use std::time::Duration;

use backplane::{Settlement, jobs::RETRY_STEPS};
use jiff::Timestamp;
use model::{Job, TaskError, policy::Retry};

use crate::{
    failure::{Failure, Refusal},
    job::{attempt::Outcome, publisher::TaskEnd},
};

/// The event that is published about a job, and how the job is settled.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Its end is published and confirmed; then it is settled.
    End(TaskEnd, Settlement),
    /// It is tried again later.
    Retry(TaskError, Settlement),
    /// Another worker shall do it, at one more attempt.
    Requeue,
    /// It goes on in the background, which publishes its end.
    Detached,
}

impl Verdict {
    /// Decides after this attempt, one of those that `retry` allows.
    pub(crate) fn of(outcome: Outcome, job: &Job, attempt: u32, retry: &Retry) -> Self {
        let (reason, message) = match outcome {
            Outcome::Completed(done) => {
                return Self::End(TaskEnd::Succeeded { result: done.output, toast: done.toast }, Settlement::Done);
            }
            Outcome::Cancelled => return Self::End(TaskEnd::Cancelled, Settlement::Done),
            Outcome::Requeued => return Self::Requeue,
            Outcome::TimedOut(limit) => {
                let message = format!("It took longer than the {} that it may take.", shown(limit));
                return Self::End(TaskEnd::Failed(error("deadline", message)), Settlement::Done);
            }
            Outcome::Failed(Failure::Permanent { reason, message }) => {
                return Self::End(TaskEnd::Failed(error(reason, message)), Settlement::Done);
            }
            Outcome::Failed(Failure::Refused(refusal)) => {
                let Refusal { reason, message, result, toast } = *refusal;
                return Self::End(TaskEnd::Refused { error: error(reason, message), result, toast }, Settlement::Done);
            }
            Outcome::Failed(Failure::Passing { message, cause }) => {
                tracing::warn!(error = format!("{cause:#}"), "the function cannot do it now: {message}");
                ("unavailable", message)
            }
            Outcome::Failed(Failure::Stopped) => ("stopped", "It ended early without a reason.".to_owned()),
            Outcome::Panicked => ("panic", "It failed unexpectedly; the worker's log says more.".to_owned()),
        };
        let error = error(reason, message);
        if attempt >= retry.attempts {
            return Self::given_up(error, attempt);
        }
        // Redeliveries are counted in, so that the next attempt has a higher number than all before.
        let job = Job { attempts: attempt, ..job.clone() };
        let Some(pauses) = retry.pauses else {
            let step = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX).min(RETRY_STEPS.len() - 1);
            return Self::Retry(error, Settlement::Retry { job, after: RETRY_STEPS[step] });
        };
        // Jobs that fail together do not come back together.
        let after = pauses.after(attempt).mul_f64(rand::random_range(1.0..1.1));
        let not_before = Timestamp::now().checked_add(after).ok();
        Self::Retry(error, Settlement::Retry { job: Job { not_before, ..job }, after })
    }

    /// The job ended its worker each time it was taken: it is not run again.
    pub(crate) fn lost(attempt: u32) -> Self {
        Self::given_up(error("lost", "Its worker was lost each time it was tried.".to_owned()), attempt)
    }

    fn given_up(error: TaskError, attempt: u32) -> Self {
        let reason = format!("given up after attempt {attempt}: {}: {}", error.reason, error.message);
        Self::End(TaskEnd::Failed(error), Settlement::Dead { reason })
    }

    /// The label in metrics and logs.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::End(TaskEnd::Succeeded { .. }, _) => "succeeded",
            Self::End(TaskEnd::Cancelled, _) => "cancelled",
            Self::End(TaskEnd::Failed(_), Settlement::Dead { .. }) => "dead",
            Self::End(TaskEnd::Failed(_) | TaskEnd::Refused { .. }, _) => "failed",
            Self::Retry(..) => "retried",
            Self::Requeue => "put_back",
            Self::Detached => "begun",
        }
    }
}

fn error(reason: &str, message: String) -> TaskError {
    TaskError { reason: reason.to_owned(), message }
}

fn shown(time: Duration) -> String {
    match time.as_secs() {
        60.. => format!("{} minutes", time.as_secs() / 60),
        _ => format!("{} seconds", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use model::policy::Pauses;
    use serde_json::Value;

    use super::*;

    fn job() -> Job {
        Job::new(model::TaskId::new(), "echo".parse().unwrap(), "ada", "Echo", Value::Null)
    }

    #[test]
    fn the_pause_grows_with_each_attempt_until_it_is_given_up() {
        let after =
            |attempt| match Verdict::of(Outcome::Panicked, &job(), attempt, &Retry { attempts: 7, pauses: None }) {
                Verdict::Retry(_, Settlement::Retry { job, after }) => Ok((job.attempts, after.as_secs())),
                Verdict::End(TaskEnd::Failed(error), Settlement::Dead { .. }) => Err(error.reason),
                other => panic!("{other:?}"),
            };
        let steps: Vec<_> = (1..=7).map(after).collect();
        let expected = [Ok((1, 1)), Ok((2, 10)), Ok((3, 60)), Ok((4, 600)), Ok((5, 600)), Ok((6, 600))];
        assert_eq!(steps[..6], expected);
        assert_eq!(steps[6], Err("panic".to_owned()));
    }

    #[test]
    fn pauses_of_its_own_are_waited_out_to_their_end_and_no_attempt_is_added() {
        let retry = Retry { attempts: 3, pauses: Some(Pauses { first: 5_000, most: 7_000 }) };
        let waits = |attempt| match Verdict::of(Outcome::Panicked, &job(), attempt, &retry) {
            Verdict::Retry(_, Settlement::Retry { job, after }) => {
                let left = job.delay(Timestamp::now()).unwrap();
                assert!(after.abs_diff(left) < Duration::from_millis(500), "{after:?}, {left:?}");
                Some(after.as_secs())
            }
            Verdict::End(TaskEnd::Failed(_), Settlement::Dead { .. }) => None,
            other => panic!("{other:?}"),
        };
        assert!(matches!([1, 2, 3].map(waits), [Some(5), Some(7), None]));
    }

    #[test]
    fn what_the_person_can_correct_is_not_kept_for_the_operator() {
        for outcome in [Outcome::Failed(Failure::input("no such column")), Outcome::TimedOut(Duration::from_secs(1))] {
            let verdict = Verdict::of(outcome, &job(), 1, &Retry { attempts: 5, pauses: None });
            assert!(matches!(verdict, Verdict::End(TaskEnd::Failed(_), Settlement::Done)), "{verdict:?}");
        }
    }
}
