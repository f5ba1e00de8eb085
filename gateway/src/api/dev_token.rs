//! `GET /dev/token`: a token for any user, in `bellwire dev` alone.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::IntoResponse,
};
use jiff::Timestamp;
use model::{Environment, audience::is_id};
use serde::{Deserialize, Serialize};

use super::{problem::Problem, request::Parameters};
use crate::{origins::Origins, pod::Pod, token::Claims};

/// What the request is to the page that made it; browsers set it, and no script can.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The lifetime of a token in seconds.
const LIFETIME_SECONDS: i64 = 12 * 3600;

/// The query of a request for a token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenQuery {
    user: String,
    env: Environment,
    /// Separated by commas.
    #[serde(default)]
    groups: String,
}

/// A token.
#[derive(Debug, Serialize)]
pub struct Token {
    token: String,
}

/// Issues a token with every scope, but not to a page of another site.
pub async fn issue(
    State(pod): State<Pod>,
    headers: HeaderMap,
    query: Result<Parameters<TokenQuery>, Problem>,
) -> Result<impl IntoResponse, Problem> {
    if !pod.issues_dev_tokens {
        return Err(Problem::not_found("tokens are handed out by `bellwire dev` alone"));
    }
    refuse_other_sites(&headers)?;
    let Parameters(query) = query?;
    let environment =
        pod.environments.get(&query.env).ok_or_else(|| Problem::not_found(format!("no environment {}", query.env)))?;
    let groups: Vec<_> = query.groups.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect();
    if !is_id(&query.user) || !groups.iter().all(|group| is_id(group)) {
        return Err(Problem::bad_request("invalid-parameter", "user, groups: no spaces, 1 to 256 bytes each"));
    }
    let now = Timestamp::now().as_second();
    let claims = Claims {
        sub: query.user,
        env: query.env.to_string(),
        groups,
        scope: "tasks publish publish:tasks publish:everywhere".to_owned(),
        exp: now + LIFETIME_SECONDS,
        iat: Some(now),
        iss: None,
        aud: None,
    };
    let token = environment.key.sign(&claims).map_err(|_| Problem::unavailable("the token could not be signed"))?;
    // Nor may a page of another site embed the answer, or find it in a cache.
    let headers = [(CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Json(Token { token })))
}

/// Refuses what a page of another site makes a browser ask, in whichever way: a script, a link, a frame.
fn refuse_other_sites(headers: &HeaderMap) -> Result<(), Problem> {
    // A page on another port of the same host is "same-site", and another page nevertheless.
    let is_own = headers.get_all(SEC_FETCH_SITE).iter().all(|site| site == "same-origin" || site == "none");
    if is_own && Origins::default().check(headers).is_ok() {
        return Ok(());
    }
    let detail = "tokens are handed out to this gateway's own page, and to programs that are no browser";
    Err(Problem::new(StatusCode::FORBIDDEN, "origin-refused", detail))
}
