//! Who makes a request: proved by a token in the `Authorization` header or the `access_token` parameter.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
};
use storage::OwnerFiles;

use crate::{
    api::problem::Problem,
    dispatch::registry::Listener,
    pod::{Gate, Pod},
    token::{Claims, TokenError, claimed_environment},
};

/// Somebody with a valid token, at the gate of the environment it is for.
pub struct Caller {
    /// The environment's gate.
    pub gate: Arc<Gate>,
    /// What the token says.
    pub claims: Claims,
    /// Who that is to the dispatcher.
    pub listener: Arc<Listener>,
}

impl Caller {
    /// Somebody whose token was checked before, here or on another pod.
    pub(crate) fn proved(gate: Arc<Gate>, claims: Claims) -> Self {
        let listener = Arc::new(Listener { user: claims.sub.clone(), groups: claims.groups.clone() });
        Self { gate, claims, listener }
    }

    /// Checks that the token has a scope.
    pub fn require(&self, scope: &'static str) -> Result<(), Problem> {
        if self.claims.has_scope(scope) {
            return Ok(());
        }
        Err(TokenError::Scope(scope).into())
    }

    /// The caller's own files.
    pub fn files(&self, pod: &Pod) -> OwnerFiles {
        pod.storage().files(&self.gate.environment, &self.claims.sub)
    }
}

impl FromRequestParts<Pod> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, pod: &Pod) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?.or_else(|| in_query(&parts.uri)).ok_or(TokenError::Missing)?;
        let environment = claimed_environment(&token)?;
        let gate = pod.gate(&environment).ok_or(TokenError::Foreign)?.clone();
        let claims = gate.key.verify(&token, &environment)?;
        Ok(Self::proved(gate, claims))
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<String>, TokenError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| TokenError::Malformed)?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim().to_owned())),
        _ => Err(TokenError::Malformed),
    }
}

fn in_query(uri: &Uri) -> Option<String> {
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
        Self::new(status, error.word(), error.to_string())
    }
}
