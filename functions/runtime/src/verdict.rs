//! What becomes of a job after a run.

use std::time::Duration;

use backplane::{Settlement, jobs::RETRY_STEPS};
use model::{Job, TaskError};

use crate::{announce::End, attempt::Outcome, failure::Failure};

/// What is told of a job and how it is settled.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Its end is told and confirmed; then it is settled.
    End(End, Settlement),
    /// It is tried again later.
    Again(TaskError, Settlement),
    /// Somebody else shall do it, as if it had never been taken.
    Requeue,
    /// It has begun; its end is told elsewhere.
    GoesOn,
}

impl Verdict {
    /// Judges what this attempt, one of at most `most`, came to.
    pub(crate) fn of(outcome: Outcome, job: &Job, attempt: u32, most: u32) -> Self {
        let (reason, message) = match outcome {
            Outcome::Completed(done) => {
                return Self::End(End::Succeeded { result: done.output, toast: done.toast }, Settlement::Done);
            }
            Outcome::Cancelled => return Self::End(End::Cancelled, Settlement::Done),
            Outcome::Requeue => return Self::Requeue,
            Outcome::TimedOut(limit) => {
                let message = format!("It took longer than the {} that it may take.", in_words(limit));
                return Self::End(End::Failed(error("deadline", message)), Settlement::Done);
            }
            Outcome::Failed(Failure::Permanent { reason, message }) => {
                return Self::End(End::Failed(error(reason, message)), Settlement::Done);
            }
            Outcome::Failed(Failure::Passing { message, cause }) => {
                tracing::warn!(error = format!("{cause:#}"), "the function cannot do it now: {message}");
                ("unavailable", message)
            }
            Outcome::Failed(Failure::Stopped) => ("stopped", "It ended early without a reason.".to_owned()),
            Outcome::Panicked => ("panic", "It failed unexpectedly; the worker's log says more.".to_owned()),
        };
        let why = error(reason, message);
        if attempt >= most {
            return Self::given_up(why, attempt);
        }
        let step = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX).min(RETRY_STEPS.len() - 1);
        // Redeliveries are counted in, so that the next attempt has a higher number than all before.
        let job = Job { attempts: attempt, ..job.clone() };
        Self::Again(why, Settlement::Retry { job, after: RETRY_STEPS[step] })
    }

    /// The job ended its worker each time it was taken: it is not run again.
    pub(crate) fn lost(attempt: u32) -> Self {
        Self::given_up(error("lost", "Its worker was lost each time it was tried.".to_owned()), attempt)
    }

    fn given_up(why: TaskError, attempt: u32) -> Self {
        let reason = format!("given up after attempt {attempt}: {}: {}", why.reason, why.message);
        Self::End(End::Failed(why), Settlement::Dead { reason })
    }

    /// One word for metrics and logs.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::End(End::Succeeded { .. }, _) => "succeeded",
            Self::End(End::Cancelled, _) => "cancelled",
            Self::End(End::Failed(_), Settlement::Dead { .. }) => "dead",
            Self::End(End::Failed(_), _) => "failed",
            Self::Again(..) => "retried",
            Self::Requeue => "put_back",
            Self::GoesOn => "begun",
        }
    }
}

fn error(reason: &str, message: String) -> TaskError {
    TaskError { reason: reason.to_owned(), message }
}

fn in_words(time: Duration) -> String {
    match time.as_secs() {
        60.. => format!("{} minutes", time.as_secs() / 60),
        _ => format!("{} seconds", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn job() -> Job {
        Job::new(model::TaskId::new(), "echo".parse().unwrap(), "ada", "Echo", Value::Null)
    }

    #[test]
    fn the_pause_grows_with_each_attempt_until_it_is_given_up() {
        let after = |attempt| match Verdict::of(Outcome::Panicked, &job(), attempt, 7) {
            Verdict::Again(_, Settlement::Retry { job, after }) => Ok((job.attempts, after.as_secs())),
            Verdict::End(End::Failed(error), Settlement::Dead { .. }) => Err(error.reason),
            other => panic!("{other:?}"),
        };
        let steps: Vec<_> = (1..=7).map(after).collect();
        let expected = [Ok((1, 1)), Ok((2, 10)), Ok((3, 60)), Ok((4, 600)), Ok((5, 600)), Ok((6, 600))];
        assert_eq!(steps[..6], expected);
        assert_eq!(steps[6], Err("panic".to_owned()));
    }

    #[test]
    fn what_the_person_can_mend_is_not_kept_for_the_operator() {
        for outcome in [Outcome::Failed(Failure::input("no such column")), Outcome::TimedOut(Duration::from_secs(1))] {
            let verdict = Verdict::of(outcome, &job(), 1, 5);
            assert!(matches!(verdict, Verdict::End(End::Failed(_), Settlement::Done)), "{verdict:?}");
        }
    }
}
