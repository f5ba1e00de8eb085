//! The requests of each user that a pod works on at once, so that nobody takes all of it.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Mutex},
};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};

use crate::{api::problem::Problem, caller::Caller, lock::lock, pod::Pod};

/// Seconds after which a user with too many requests may try again.
const RETRY: u32 = 1;

/// The numbers of requests under way in one environment, by user; cheap to clone.
#[derive(Debug, Clone)]
pub struct UserRequests {
    max: usize,
    counts: Arc<Mutex<HashMap<String, usize>>>,
}

/// One request under way, until it is dropped.
#[derive(Debug)]
pub struct RequestPermit {
    requests: UserRequests,
    user: String,
}

impl UserRequests {
    /// At most so many of each user at once.
    pub fn new(max: usize) -> Self {
        Self { max, counts: Arc::default() }
    }

    /// Counts one more request of a user; a problem when too many are under way.
    pub fn begin(&self, user: &str) -> Result<RequestPermit, Problem> {
        let mut counts = lock(&self.counts);
        let count = counts.get(user).copied().unwrap_or_default();
        if count >= self.max {
            let detail = format!("this pod works on {count} requests of yours, and on no more at once");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail).retry_after(RETRY));
        }
        counts.insert(user.to_owned(), count + 1);
        Ok(RequestPermit { requests: self.clone(), user: user.to_owned() })
    }
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        let mut counts = lock(&self.requests.counts);
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

/// The user of a request that counts until it is answered.
pub struct CountedCaller {
    caller: Caller,
    permit: RequestPermit,
}

impl CountedCaller {
    /// The permit, for an answer that goes on after the handler.
    pub fn into_permit(self) -> RequestPermit {
        self.permit
    }
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
        let permit = caller.environment.requests.begin(&caller.claims.sub)?;
        Ok(Self { caller, permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_at_once_and_nothing_is_kept_of_who_has_none() {
        let requests = UserRequests::new(2);
        let held = [requests.begin("ada").unwrap(), requests.begin("ada").unwrap()];
        assert!(requests.begin("ada").is_err() && requests.begin("bob").is_ok());
        drop(held);
        assert!(requests.begin("ada").is_ok());
        assert!(lock(&requests.counts).is_empty());
    }
}
