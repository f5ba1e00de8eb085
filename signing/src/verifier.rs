//! Verifies what the gateways of one environment have signed.

use jiff::Timestamp;
use model::{Environment, Job, approval::Answer};

use crate::{
    answer,
    grant::{self, JobFault},
    key::{SigningKey, VerifyingKeys},
};

/// Believes the gateways of one environment; cheap enough to clone.
#[derive(Debug, Clone)]
pub struct Verifier {
    environment: Environment,
    keys: VerifyingKeys,
    accept_unsigned_until: Option<Timestamp>,
}

impl Verifier {
    /// Believes these keys in an environment.
    pub fn new(environment: Environment, keys: VerifyingKeys) -> Self {
        Self { environment, keys, accept_unsigned_until: None }
    }

    /// Believes the gateways that sign with this key.
    pub fn of(environment: &Environment, key: &SigningKey) -> Self {
        Self::new(environment.clone(), key.verifying_key().into())
    }

    /// The same, and until then jobs without any grant, from before gateways signed them.
    #[must_use]
    pub fn accept_unsigned_until(self, until: Option<Timestamp>) -> Self {
        Self { accept_unsigned_until: until, ..self }
    }

    /// Checks that a gateway has said whose job it is.
    pub fn check_job(&self, job: &Job) -> Result<(), JobFault> {
        match grant::check(&self.keys, &self.environment, job) {
            Err(JobFault::Unsigned) if self.accept_unsigned_until.is_some_and(|until| Timestamp::now() < until) => {
                Ok(())
            }
            checked => checked,
        }
    }

    /// True if a gateway has said who answered.
    pub fn is_signed(&self, answer: &Answer) -> bool {
        answer::is_signed(&self.keys, &self.environment, answer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::TaskId;

    use super::*;

    #[test]
    fn a_job_from_before_is_accepted_for_a_while_and_a_forged_one_never() {
        let (prod, key) = ("prod".parse().unwrap(), SigningKey::derived_from(b"a secret"));
        let job = Job::new(TaskId::new(), "imports".parse().unwrap(), "ada", "A job", Default::default());
        let forged = Job { owner: "eve".to_owned(), ..key.grant(&prod, job.clone()) };
        let now = Timestamp::now();
        let until = |until| Verifier::of(&prod, &key).accept_unsigned_until(until);
        assert_eq!(until(None).check_job(&job), Err(JobFault::Unsigned));
        assert_eq!(until(Some(now - Duration::from_secs(1))).check_job(&job), Err(JobFault::Unsigned));
        assert_eq!(until(Some(now + Duration::from_secs(600))).check_job(&job), Ok(()));
        assert_eq!(until(Some(now + Duration::from_secs(600))).check_job(&forged), Err(JobFault::Forged));
    }
}
