//! `GET /dev/token`: a token for any user, in `bellwire dev` alone.

use axum::{Json, extract::State};
use jiff::Timestamp;
use model::{Environment, audience::is_id};
use serde::{Deserialize, Serialize};

use super::{problem::Problem, request::Parameters};
use crate::{pod::Pod, token::Claims};

/// The lifetime of a token in seconds.
const LIFETIME_SECONDS: i64 = 12 * 3600;

/// The query of a request for a token.
#[derive(Debug, Deserialize)]
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

/// Issues a token with every scope.
pub async fn issue(
    State(pod): State<Pod>,
    query: Result<Parameters<TokenQuery>, Problem>,
) -> Result<Json<Token>, Problem> {
    if !pod.issues_dev_tokens {
        return Err(Problem::not_found("tokens are handed out by `bellwire dev` alone"));
    }
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
    Ok(Json(Token { token }))
}
