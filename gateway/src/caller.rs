//! The user of a request, from a token in the `Authorization` header or the `access_token` parameter.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts},
};
use model::Environment;
use storage::OwnerFiles;
use tokio::time::{Instant, sleep};
use url::form_urlencoded;

use crate::{
    api::problem::Problem,
    dispatch::registry::Recipient,
    lock::lock,
    pod::{EnvironmentState, Pod, PodState},
    sockets::RequestUse,
    token::{Claims, Jwt, TokenError, selection::select_environment},
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
    pub async fn throttle(&self, bytes: usize) {
        let now = Instant::now();
        let wait = {
            let mut rates = lock(&self.environment.byte_rates);
            let limit = rates.of(&self.claims.sub, now);
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
        let refuse = |environment: Option<&Environment>, error: TokenError| {
            pod.refusals.refused(environment.map(Environment::as_str), &error);
            Problem::from(error)
        };
        let token = find_token(&parts.headers, &parts.uri).map_err(|error| refuse(None, error))?;
        let jwt = Jwt::read(&token).map_err(|error| refuse(None, error))?;
        let keys = pod.environments.iter().map(|(name, environment)| (name, &environment.key));
        let name = select_environment(&jwt, keys).map_err(|error| refuse(None, error))?;
        let environment = pod.environments[name].clone();
        let claims = environment.key.verify_jwt(&jwt, name).map_err(|error| refuse(Some(name), error))?;
        if parts.extensions.get::<RequestUse>().is_some_and(|request| !request.begin()) {
            return Err(Problem::unavailable("this connection is being closed to make room; connect again"));
        }
        Ok(Self::from_claims(environment, claims))
    }
}

/// The token of a request: in its header before its query.
fn find_token(headers: &HeaderMap, uri: &Uri) -> Result<String, TokenError> {
    bearer_token(headers)?.or_else(|| query_token(uri)).ok_or(TokenError::Missing)
}

/// The token of the first `Authorization: Bearer`. What has another scheme is for a proxy in front, and hides nothing.
fn bearer_token(headers: &HeaderMap) -> Result<Option<String>, TokenError> {
    const SCHEME: &[u8] = b"bearer ";
    let values = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes);
    let mut tokens = values.filter_map(|value| {
        let (scheme, token) = value.split_at_checked(SCHEME.len())?;
        scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_ascii()).filter(|token| !token.is_empty())
    });
    let text = |token: &[u8]| String::from_utf8(token.to_vec()).map_err(|_| TokenError::not_ascii());
    tokens.next().map(text).transpose()
}

/// The token of the parameter `access_token`, with whatever percent-encoding; without the line end that a file of it has.
fn query_token(uri: &Uri) -> Option<String> {
    let mut pairs = form_urlencoded::parse(uri.query()?.as_bytes());
    pairs.find_map(|(name, value)| {
        let token = value.trim();
        (name == "access_token" && !token.is_empty()).then(|| token.to_owned())
    })
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let problem = |status| Self::new(status, error.code(), error.to_string());
        match error {
            TokenError::Scope(_) => problem(StatusCode::FORBIDDEN),
            TokenError::KeysAreRead(seconds) => problem(StatusCode::SERVICE_UNAVAILABLE).retry_after(seconds),
            _ => problem(StatusCode::UNAUTHORIZED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(values: &[&[u8]]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        bearer_token(&headers).map_err(|error| error.code())
    }

    #[test]
    fn another_scheme_is_not_ours_and_hides_no_token() {
        assert_eq!(bearer(&[b"Bearer a.b.c"]), Ok(Some("a.b.c".to_owned())));
        assert_eq!(bearer(&[b"bEARER   a.b.c "]), Ok(Some("a.b.c".to_owned())));
        for other in [&b"Basic YTpi"[..], b"Negotiate", b"Bearer", b"Bearer ", b"BearerToken x", b"", b"Basic \xff\xfe"]
        {
            assert_eq!(bearer(&[other]), Ok(None), "{}", other.escape_ascii());
            assert_eq!(bearer(&[other, b"Bearer a.b.c"]), Ok(Some("a.b.c".to_owned())));
        }
        assert_eq!(bearer(&[b"Bearer a.b.\xff"]), Err("token-malformed"));
    }

    #[test]
    fn a_token_in_the_query_may_be_percent_encoded() {
        let token = |uri: &str| query_token(&uri.parse().unwrap());
        for uri in ["/x?access_token=a.b-_c", "/x?y=1&access_token=a%2Eb%2D%5fc&z", "/x?access%5Ftoken=%61.b-_c"] {
            assert_eq!(token(uri).as_deref(), Some("a.b-_c"), "{uri}");
        }
        assert_eq!(token("/x?access_token=&access_token=a%0D%0A").as_deref(), Some("a"));
        for none in ["/x", "/x?", "/x?access_token", "/x?access_token=", "/x?xaccess_token=a", "/x?Access_Token=a"] {
            assert_eq!(token(none), None, "{none}");
        }
    }
}
