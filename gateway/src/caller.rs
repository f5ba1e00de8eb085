//! The user of a request, from a token in the `Authorization` header or the `access_token` parameter.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
};
use storage::OwnerFiles;

use crate::{
    api::problem::Problem,
    dispatch::registry::Recipient,
    pod::{EnvironmentState, Pod},
    sockets::SocketUse,
    token::{Claims, TokenError, claimed_environment},
};

/// A user with a valid token, and the environment that it is for.
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
