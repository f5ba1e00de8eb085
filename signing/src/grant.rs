//! The grant of a job: a gateway's word on whose job it is.

use model::{
    Environment, Job,
    job::{Grant, WORKFLOWS},
};

use crate::{
    key::{SigningKey, VerifyingKeys},
    text::SignedText,
};

/// Why a job is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JobFault {
    /// It has no grant.
    #[error(
        "no gateway has signed it, so nothing shows whose job it is; one from before gateways signed jobs is taken while \
         accept_unsigned_until of its environment lies ahead"
    )]
    Unsigned,
    /// Its grant is of no gateway of this environment, or was given to another owner or with other groups.
    #[error("its grant was not signed by a gateway of this environment for this owner and these groups")]
    Forged,
    /// Its grant is for another task or kind.
    #[error("its grant is for another job")]
    OtherJob,
}

impl SigningKey {
    /// The job with the grant of an environment's gateway.
    pub fn grant(&self, environment: &Environment, job: Job) -> Job {
        let unsigned = Grant {
            task: job.task,
            kind: job.kind.clone(),
            parent: job.parent,
            created: job.created,
            signature: String::new(),
        };
        let signature = self.sign(&text(environment, &job, &unsigned));
        Job { grant: Some(Grant { signature, ..unsigned }), ..job }
    }
}

/// Checks that a gateway has granted a job. A workflow's run may have jobs of every kind done for the owner of the run, so
/// a step carries the grant of its run, or of the run that this one is nested in.
pub(crate) fn check(keys: &VerifyingKeys, environment: &Environment, job: &Job) -> Result<(), JobFault> {
    let grant = job.grant.as_ref().ok_or(JobFault::Unsigned)?;
    if !keys.verify(&grant.signature, &text(environment, job, grant)) {
        return Err(JobFault::Forged);
    }
    let is_own =
        (grant.task, &grant.kind, grant.parent, grant.created) == (job.task, &job.kind, job.parent, job.created);
    let is_step = grant.kind.as_str() == WORKFLOWS && job.parent.is_some();
    if is_own || is_step { Ok(()) } else { Err(JobFault::OtherJob) }
}

fn text(environment: &Environment, job: &Job, grant: &Grant) -> SignedText {
    SignedText::of("bellwire job")
        .field(environment.as_str())
        .field(&grant.task.to_string())
        .field(grant.kind.as_str())
        .field(&job.owner)
        .sorted(&job.groups)
        .optional(grant.parent.map(|parent| parent.to_string()).as_deref())
        .field(&grant.created.as_nanosecond().to_string())
}

#[cfg(test)]
mod tests {
    use model::TaskId;
    use serde_json::json;

    use super::*;

    fn prod() -> Environment {
        "prod".parse().unwrap()
    }

    fn key() -> SigningKey {
        SigningKey::derived_from(b"the secret of prod, which is long enough")
    }

    fn job(kind: &str) -> Job {
        let groups = vec!["sales".to_owned(), "ops".to_owned()];
        Job { groups, ..Job::new(TaskId::new(), kind.parse().unwrap(), "ada", "A job", json!({ "n": 1 })) }
    }

    fn checked(job: &Job) -> Result<(), JobFault> {
        check(&key().verifying_key().into(), &prod(), job)
    }

    #[test]
    fn a_granted_job_is_the_owners_however_it_travels() {
        let job = key().grant(&prod(), job("imports"));
        assert_eq!(checked(&job), Ok(()));
        let travelled: Job = serde_json::from_str(&serde_json::to_string(&job).unwrap()).unwrap();
        assert_eq!(checked(&travelled), Ok(()));
        let stored =
            Job { input: serde_json::Value::Null, stored_input: Some("x/input.json".to_owned()), ..job.clone() };
        assert_eq!(checked(&Job { attempts: 3, ..stored }), Ok(()));
        let mut reordered = job;
        reordered.groups.reverse();
        assert_eq!(checked(&reordered), Ok(()));
    }

    #[test]
    fn what_was_not_granted_is_refused() {
        assert_eq!(checked(&job("imports")), Err(JobFault::Unsigned));
        let granted = key().grant(&prod(), job("imports"));
        let mut groups = granted.groups.clone();
        groups.push("board".to_owned());
        let altered = [
            Job { owner: "eve".to_owned(), ..granted.clone() },
            Job { groups, ..granted.clone() },
            Job { groups: vec!["opssales".to_owned()], ..granted.clone() },
            SigningKey::derived_from(b"another").grant(&prod(), job("imports")),
            key().grant(&"test".parse().unwrap(), job("imports")),
        ];
        for job in altered {
            assert_eq!(checked(&job), Err(JobFault::Forged), "{job:?}");
        }
        let moved = [
            Job { task: TaskId::new(), ..granted.clone() },
            Job { kind: "reports".parse().unwrap(), ..granted.clone() },
            Job { parent: Some(TaskId::new()), ..granted.clone() },
            Job { created: jiff::Timestamp::UNIX_EPOCH, ..granted },
        ];
        for job in moved {
            assert_eq!(checked(&job), Err(JobFault::OtherJob), "{job:?}");
        }
    }

    #[test]
    fn the_steps_of_a_run_are_done_for_its_owner_and_for_nobody_else() {
        let run = key().grant(&prod(), job(WORKFLOWS));
        let step =
            Job { parent: Some(run.task), grant: run.grant.clone(), groups: run.groups.clone(), ..job("imports") };
        assert_eq!(checked(&step), Ok(()));
        let nested = Job { parent: Some(step.task), ..step.clone() };
        assert_eq!(checked(&nested), Ok(()));
        assert_eq!(checked(&Job { owner: "eve".to_owned(), ..step.clone() }), Err(JobFault::Forged));
        assert_eq!(checked(&Job { parent: None, ..step }), Err(JobFault::OtherJob));
    }
}
