//! `GET /dev/token`: in `bellwire dev` anybody may be anybody.

use axum::{Json, extract::State};
use jiff::Timestamp;
use model::{Environment, audience::is_id};
use serde::{Deserialize, Serialize};

use crate::{
    api::{parameters::Parameters, problem::Problem},
    pod::Pod,
    token::Claims,
};

/// How long such a token is worth something, in seconds.
const LIFETIME: i64 = 12 * 3600;

/// Who to be.
#[derive(Debug, Deserialize)]
pub struct Wanted {
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

/// A token for whoever asks, with every scope.
pub async fn hand_out(
    State(pod): State<Pod>,
    wanted: Result<Parameters<Wanted>, Problem>,
) -> Result<Json<Token>, Problem> {
    if !pod.hands_out_tokens() {
        return Err(Problem::not_found("tokens are handed out by `bellwire dev` alone"));
    }
    let Parameters(wanted) = wanted?;
    let environment =
        pod.environment(&wanted.env).ok_or_else(|| Problem::not_found(format!("no environment {}", wanted.env)))?;
    let groups: Vec<_> = wanted.groups.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect();
    if !is_id(&wanted.user) || !groups.iter().all(|group| is_id(group)) {
        return Err(Problem::bad_request("invalid-parameter", "user, groups: no spaces, 1 to 256 bytes each"));
    }
    let claims = Claims {
        sub: wanted.user,
        env: wanted.env.to_string(),
        groups,
        scope: "publish publish:everywhere tasks".to_owned(),
        exp: Timestamp::now().as_second() + LIFETIME,
        iss: None,
        aud: None,
    };
    let token = environment.key.sign(&claims).map_err(|_| Problem::unavailable("the token could not be signed"))?;
    Ok(Json(Token { token }))
}
