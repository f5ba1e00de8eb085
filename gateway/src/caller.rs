//! The user of a request, from a token in the `Authorization` header or the `access_token` parameter.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
};
use storage::OwnerFiles;
use tokio::time::{Instant, sleep};

use crate::{
    api::problem::Problem,
    dispatch::registry::Recipient,
    lock::lock,
    pod::{EnvironmentState, Pod, PodState},
    sockets::SocketUse,
    token::{Claims, TokenError, claimed_environment},
    user_permits::{NoPermit, UserPermit},
};

/// Seconds after which a client that this pod has no room for may try again, on whichever pod it reaches.
const RETRY_ELSEWHERE: u32 = 1;
/// Seconds after which a user with too many connections may try again: some may have ended by then.
pub const RETRY_USER: u32 = 5;

/// The code of the problem of a user with too many connections.
pub const TOO_MANY_CONNECTIONS: &str = "too-many-connections";

/// A user with a valid token, and the environment that it is for.
#[derive(Clone)]
pub struct Caller {
    /// The environment.
    pub environment: Arc<EnvironmentState>,
    /// The token's claims.
    pub claims: Claims,
    /// The user as the dispatcher knows them.
    pub recipient: Arc<Recipient>,
}

impl Caller {
    /// The user of these claims, whose token was checked before, here or on another pod.
    pub(crate) fn from_claims(environment: Arc<EnvironmentState>, claims: Claims) -> Self {
        let recipient = Arc::new(Recipient { user: claims.sub.clone(), groups: claims.groups.clone() });
        Self { environment, claims, recipient }
    }

    /// Checks that the token has a scope.
    pub fn require(&self, scope: &'static str) -> Result<(), Problem> {
        if self.claims.has_scope(scope) {
            return Ok(());
        }
        Err(TokenError::Scope(scope).into())
    }

    /// Checks that the token has not expired since the request began.
    pub fn require_unexpired(&self) -> Result<(), Problem> {
        if self.claims.has_expired() {
            return Err(TokenError::Expired.into());
        }
        Ok(())
    }

    /// Takes a permit for one more long-lived connection of this user; a problem when the user or the pod has no more.
    pub fn connection_permit(&self, pod: &Pod) -> Result<UserPermit, Problem> {
        pod.connections.take(&self.environment.name, &self.claims.sub).map_err(|refusal| match refusal {
            NoPermit::UserHasMost(most) => {
                let detail = format!("{most} connections of this user are on this pod, and more may not be");
                Problem::new(StatusCode::TOO_MANY_REQUESTS, TOO_MANY_CONNECTIONS, detail).retry_after(RETRY_USER)
            }
            NoPermit::AllTaken(most) => {
                let detail = format!("this pod has {most} connections, and takes no more");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "pod-full", detail).retry_after(RETRY_ELSEWHERE)
            }
        })
    }

    /// Takes a permit for one more request of this user's hub clients; a problem when too many wait for their answers.
    pub fn hub_request_permit(&self, pod: &Pod) -> Result<UserPermit, Problem> {
        pod.hub_requests.take(&self.environment.name, &self.claims.sub).map_err(|_| {
            let detail = "too many requests of this user's hub clients wait for their answers on this pod";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail).retry_after(RETRY_ELSEWHERE)
        })
    }

    /// Takes a permit for one more request of this user; a problem when the pod works on too many.
    pub fn request_permit(&self, pod: &Pod) -> Result<UserPermit, Problem> {
        pod.requests.take(&self.environment.name, &self.claims.sub).map_err(|_| {
            let most = pod.config.requests_per_user;
            let detail = format!("this pod works on {most} requests of yours, and on no more at once");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail).retry_after(RETRY_ELSEWHERE)
        })
    }

    /// Takes a permit for one more request of this user whose JSON takes much memory; a problem when the user or the pod has
    /// no more.
    pub fn much_json_permit(&self, pod: &PodState) -> Result<UserPermit, Problem> {
        pod.much_json.take(&self.environment.name, &self.claims.sub).map_err(|refusal| {
            let whose = if matches!(refusal, NoPermit::UserHasMost(_)) { " of yours" } else { "" };
            let detail = format!("this pod reads as many requests{whose} with much JSON as it may at once");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail).retry_after(RETRY_ELSEWHERE)
        })
    }

    /// Counts bytes of this user's request bodies or files, and waits until the rate allows more.
    pub async fn throttle(&self, pod: &PodState, bytes: usize) {
        let (now, key) = (Instant::now(), format!("{} {}", self.environment.name, self.claims.sub));
        let wait = {
            let mut rates = lock(&pod.byte_rates);
            let limit = rates.of(&key, now);
            limit.owe(now, u32::try_from(bytes).unwrap_or(u32::MAX));
            limit.wait(now, 0)
        };
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }

    /// The caller's own files.
    pub fn files(&self, pod: &Pod) -> OwnerFiles {
        pod.storage.files(&self.environment.name, &self.claims.sub)
    }
}

impl FromRequestParts<Pod> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, pod: &Pod) -> Result<Self, Problem> {
        let token = bearer_token(&parts.headers)?.or_else(|| query_token(&parts.uri)).ok_or(TokenError::Missing)?;
        let name = claimed_environment(&token)?;
        let environment = pod.environments.get(&name).ok_or(TokenError::Foreign)?.clone();
        let claims = environment.key.verify(&token, &name)?;
        if parts.extensions.get::<SocketUse>().is_some_and(|socket| !socket.begin_request()) {
            return Err(Problem::unavailable("this connection is being closed to make room; connect again"));
        }
        Ok(Self::from_claims(environment, claims))
    }
}

fn bearer_token(headers: &HeaderMap) -> Result<Option<String>, TokenError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| TokenError::Malformed)?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim().to_owned())),
        _ => Err(TokenError::Malformed),
    }
}

fn query_token(uri: &Uri) -> Option<String> {
    // A JWT needs no percent-decoding: its alphabet is that of URLs.
    let query = uri.query()?;
    query.split('&').find_map(|pair| pair.strip_prefix("access_token=")).map(str::to_owned)
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let status = match error {
            TokenError::Scope(_) => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        };
        Self::new(status, error.code(), error.to_string())
    }
}
