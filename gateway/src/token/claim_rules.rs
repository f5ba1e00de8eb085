//! What the claims of a token must be, and how they are read: RFC 7519 as it is written.

use std::time::Duration;

use jiff::Timestamp;
use model::{Environment, audience::is_id};
use process::{ClaimNames, Texts};
use serde_json::{Map, Value, json};

use super::{
    claim_values::{NOT_AN_ID, groups, insert, number, scopes, seconds_of, whole_seconds},
    claims::Claims,
    error::TokenError,
    jwt::find,
    refusal_log::RefusalLog,
};

/// The audience in settings that stands for any.
const ANY: &str = "*";

/// How the claims of one issuer's tokens are read, and what they must be.
#[derive(Debug, Clone, Default)]
pub struct ClaimRules {
    /// What `iss` must be; not asked for.
    pub issuer: Option<String>,
    /// What the audience must hold, one of these; with none, or with `*`, it is not asked for.
    pub audience: Texts,
    /// The names of the claims.
    pub names: ClaimNames,
    /// How far the issuer's clock may differ.
    pub leeway: Duration,
    /// Stands before user ids and groups.
    pub prefix: String,
}

/// What a token says about an environment, before it is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belonging {
    /// It names this environment.
    Named,
    /// It names none, and its issuer and audience are those of this one.
    Implied,
    /// It names another, or is of another issuer or for another audience.
    Another,
}

impl ClaimRules {
    /// Whether a token with these claims is for an environment that has these rules.
    pub(super) fn belonging(&self, claims: &Map<String, Value>, environment: &Environment) -> Belonging {
        match self.named_environment(claims) {
            Some(Value::String(name)) if name == environment.as_str() => Belonging::Named,
            Some(_) => Belonging::Another,
            None if self.tells_environment() && self.check_origin(claims).is_ok() => Belonging::Implied,
            None => Belonging::Another,
        }
    }

    /// The claim that names the environment.
    pub(super) fn named_environment<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        self.names.environment.iter().find_map(|name| find(claims, name))
    }

    /// Returns true if issuer or audience tell an environment from others.
    fn tells_environment(&self) -> bool {
        self.issuer.is_some() || self.asks_audience()
    }

    fn asks_audience(&self) -> bool {
        !self.audience.is_empty() && !self.audience.contains(ANY)
    }

    /// Reads the claims of a token whose signature was verified, for an environment.
    pub(super) fn read(
        &self,
        claims: &Map<String, Value>,
        environment: &Environment,
        log: &RefusalLog,
    ) -> Result<Claims, TokenError> {
        let exp = self.end(claims)?;
        if let Some(begin) = number(claims, "nbf")?
            && seconds_of(begin) > now() + self.leeway.as_secs_f64()
        {
            return Err(TokenError::NotYetValid);
        }
        self.check_origin(claims)?;
        self.check_environment(claims, environment)?;
        let log = |claim: &str, entry: &str, reason| log.left_out(environment.as_str(), claim, entry, reason);
        Ok(Claims {
            sub: self.user(claims)?,
            env: environment.to_string(),
            groups: groups(claims, &self.names.groups, &self.prefix, log)?,
            scope: scopes(claims, &self.names.scopes, log)?,
            exp,
            iat: number(claims, "iat")?.map(whole_seconds),
            iss: claims.get("iss").and_then(Value::as_str).map(str::to_owned),
            aud: None,
        })
    }

    /// The claims as they are written into a token with these rules.
    pub(super) fn write(&self, claims: &Claims) -> Value {
        let mut written = Map::new();
        let mut put = |names: &Texts, value: Value| {
            if let Some(name) = names.first() {
                insert(&mut written, name, value);
            }
        };
        put(&self.names.user, json!(claims.sub));
        put(&self.names.environment, json!(claims.env));
        put(&self.names.groups, json!(claims.groups));
        put(&self.names.scopes, json!(claims.scope));
        if let Some(audience) = &claims.aud {
            put(&self.names.audience, json!(audience));
        }
        written.insert("exp".to_owned(), json!(claims.exp));
        let optional = [("iat", json!(claims.iat)), ("iss", json!(claims.iss))];
        for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_null()) {
            written.insert(name.to_owned(), value);
        }
        Value::Object(written)
    }

    /// Checks issuer and audience.
    pub(super) fn check_origin(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        if let Some(issuer) = &self.issuer {
            match find(claims, "iss") {
                None => return Err(TokenError::foreign("iss", "it is missing")),
                Some(Value::String(found)) if found == issuer => {}
                Some(found) => {
                    let reason = "it is not the issuer whose tokens are taken here";
                    return Err(TokenError::foreign("iss", reason).found(&format!("{found}, and not {issuer}")));
                }
            }
        }
        if !self.asks_audience() {
            return Ok(());
        }
        let found: Vec<&Value> = self.names.audience.iter().filter_map(|name| find(claims, name)).collect();
        let of_value = |value: &&Value| match value {
            Value::String(text) => self.audience.contains(text),
            Value::Array(entries) => entries.iter().filter_map(Value::as_str).any(|text| self.audience.contains(text)),
            _ => false,
        };
        if found.iter().any(of_value) {
            return Ok(());
        }
        let name = self.names.audience.first().unwrap_or("aud");
        match found.first() {
            None => Err(TokenError::foreign(name, "it is missing")),
            Some(found) => {
                let wanted: Vec<&str> = self.audience.iter().collect();
                let found = format!("{found}, and not {}", wanted.join(" or "));
                Err(TokenError::foreign(name, "it does not hold the audience of this environment").found(&found))
            }
        }
    }

    fn check_environment(&self, claims: &Map<String, Value>, environment: &Environment) -> Result<(), TokenError> {
        match self.named_environment(claims) {
            Some(Value::String(name)) if name == environment.as_str() => Ok(()),
            None if self.tells_environment() => Ok(()),
            None => Err(self.missing_environment()),
            Some(found) => Err(self.other_environment(found)),
        }
    }

    /// The refusal of a token that names no environment, where nothing else tells it.
    pub(super) fn missing_environment(&self) -> TokenError {
        let name = self.names.environment.first().unwrap_or("env");
        TokenError::malformed(name, "it is missing, and neither issuer nor audience tell the environment")
    }

    /// The refusal of a token that names another environment.
    pub(super) fn other_environment(&self, found: &Value) -> TokenError {
        let name = self.names.environment.first().unwrap_or("env");
        TokenError::foreign(name, "it names no environment that takes this token").found(&found.to_string())
    }

    fn end(&self, claims: &Map<String, Value>) -> Result<i64, TokenError> {
        let end = number(claims, "exp")?.ok_or_else(|| TokenError::malformed("exp", "it is missing"))?;
        let leeway = i64::try_from(self.leeway.as_secs()).unwrap_or(i64::MAX);
        let end = whole_seconds(end).saturating_add(leeway);
        // Within the last second a client that polls is still told why its connection ends.
        match end < Timestamp::now().as_second() {
            true => Err(TokenError::Expired),
            false => Ok(end),
        }
    }

    fn user(&self, claims: &Map<String, Value>) -> Result<String, TokenError> {
        let found = self.names.user.iter().find_map(|name| Some((name, find(claims, name)?)));
        let Some((name, value)) = found else {
            let name = self.names.user.first().unwrap_or("sub");
            return Err(TokenError::malformed(name, "it is missing, and names the user"));
        };
        let Value::String(user) = value else {
            return Err(TokenError::malformed(name, "it must be text").found(&value.to_string()));
        };
        let id = format!("{}{user}", self.prefix);
        match is_id(&id) {
            true => Ok(id),
            false => Err(TokenError::malformed(name, NOT_AN_ID).found(user)),
        }
    }
}

fn now() -> f64 {
    Timestamp::now().as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests;
