//! Requests that count for their user from their head to their answer, so that nobody takes all of a pod.

use std::ops::Deref;

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{api::problem::Problem, caller::Caller, pod::Pod, user_permits::UserPermit};

/// The user of a request that counts until it is answered.
pub struct CountedCaller {
    caller: Caller,
    _permit: UserPermit,
}

impl Deref for CountedCaller {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl FromRequestParts<Pod> for CountedCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, pod: &Pod) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, pod).await?;
        caller.environment.available()?;
        let permit = caller.request_permit(pod)?;
        Ok(Self { caller, _permit: permit })
    }
}
