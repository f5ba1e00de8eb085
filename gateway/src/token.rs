//! Access tokens: JWTs that are signed with the key of one environment and worthless in every other.

use std::collections::HashSet;

use jiff::Timestamp;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, crypto, dangerous::insecure_decode_claims, decode,
    errors::ErrorKind,
};
use model::{Environment, audience::is_id};
use serde::{Deserialize, Serialize};
use signing::{SigningKey, VerifyingKeys};

use crate::hmac;

/// The key of an environment: an HS256 secret.
#[derive(Clone)]
pub struct Key {
    verify: DecodingKey,
    sign: EncodingKey,
    validation: Validation,
    /// The key of what the gateway gives to clients of this environment and reads back itself.
    pub(crate) internal: InternalKey,
    /// The key of what the gateway signs and workers verify.
    pub(crate) signing: SigningKey,
    /// The keys of gateways that this one believes.
    pub(crate) trusted: VerifyingKeys,
}

/// Signs what the gateway gives to clients and reads back itself. It is derived from an environment's key and is another,
/// so that no access token passes for something signed with it, nor the other way round.
#[derive(Clone)]
pub struct InternalKey {
    verify: DecodingKey,
    sign: EncodingKey,
}

/// The claims of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user id.
    pub sub: String,
    /// The environment.
    pub env: String,
    /// The user's groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Space-separated: `tasks`, `publish`, `publish:tasks`, `publish:everywhere`.
    #[serde(default)]
    pub scope: String,
    /// Its end, in seconds since 1970.
    pub exp: i64,
    /// The time of issue, in seconds since 1970: it tells which of two tokens of a user is the older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// The issuer; checked where the environment names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The audience; checked where the environment names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
}

/// The fault of a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No token was sent.
    #[error("send a token: Authorization: Bearer …, or ?access_token=…")]
    Missing,
    /// It is no JWT with the necessary claims.
    #[error("the token is no JWT with sub, env and exp")]
    Malformed,
    /// Its `nbf` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It has expired.
    #[error("the token has expired; get a new one")]
    Expired,
    /// It is for an environment that is not served here, or was not signed with that environment's key.
    #[error("the token is not one of an environment served here")]
    Foreign,
    /// It is older than one that the connection has had, and gives other rights.
    #[error("this connection has had a newer token with other rights; send that one")]
    Outdated,
    /// It lacks a scope.
    #[error("the token lacks the scope {0}")]
    Scope(&'static str),
}

impl TokenError {
    /// The problem's code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::Malformed => "token-malformed",
            Self::NotYetValid => "token-not-yet-valid",
            Self::Expired => "token-expired",
            Self::Foreign => "token-foreign",
            Self::Outdated => "token-outdated",
            Self::Scope(_) => "scope-missing",
        }
    }
}

impl Key {
    /// A key from an HS256 secret, with the issuer and audience that tokens must name, if any.
    pub fn hs256(secret: &[u8], issuer: Option<&str>, audience: Option<&str>) -> Self {
        hmac::install();
        // The algorithm is ours and never the token's: `none` and all others are refused.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.validate_aud = audience.is_some();
        validation.set_required_spec_claims(&["exp", "sub"]);
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        if let Some(audience) = audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        let sign = EncodingKey::from_secret(secret);
        let signing = SigningKey::derived_from(secret);
        Self {
            verify: DecodingKey::from_secret(secret),
            internal: InternalKey::derived_from(&sign),
            sign,
            validation,
            trusted: signing.verifying_key().into(),
            signing,
        }
    }

    /// The same key; answers that gateways with these keys have signed, such as an older secret's, are believed as well.
    #[must_use]
    pub fn trusting(self, others: VerifyingKeys) -> Self {
        let trusted = others.with(self.signing.verifying_key());
        Self { trusted, ..self }
    }

    /// Signs these claims.
    pub fn sign(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.sign)
    }

    /// Checks a token's signature, time and claims, and that it names this environment.
    pub fn verify(&self, token: &str, environment: &Environment) -> Result<Claims, TokenError> {
        let claims = decode::<Claims>(token, &self.verify, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => TokenError::Expired,
                ErrorKind::ImmatureSignature => TokenError::NotYetValid,
                ErrorKind::InvalidSignature
                | ErrorKind::InvalidAlgorithm
                | ErrorKind::InvalidIssuer
                | ErrorKind::InvalidAudience => TokenError::Foreign,
                _ => TokenError::Malformed,
            })?
            .claims;
        if claims.env != environment.as_str() {
            return Err(TokenError::Foreign);
        }
        if !is_id(&claims.sub) || !claims.groups.iter().all(|group| is_id(group)) {
            return Err(TokenError::Malformed);
        }
        Ok(claims)
    }
}

impl InternalKey {
    fn derived_from(key: &EncodingKey) -> Self {
        // Never the signature of a JWT: the text of one has dots.
        let secret = signature(b"the gateway's own seal", key);
        Self { verify: DecodingKey::from_secret(secret.as_bytes()), sign: EncodingKey::from_secret(secret.as_bytes()) }
    }

    /// The signature of these bytes: 43 letters of the base64url alphabet.
    pub fn sign(&self, bytes: &[u8]) -> String {
        signature(bytes, &self.sign)
    }

    /// Returns true if this is the signature of these bytes.
    pub fn verify(&self, signature: &str, bytes: &[u8]) -> bool {
        crypto::verify(signature, bytes, &self.verify, Algorithm::HS256).unwrap_or(false)
    }
}

fn signature(bytes: &[u8], key: &EncodingKey) -> String {
    crypto::sign(bytes, key, Algorithm::HS256).expect("HS256 signs any bytes with a secret")
}

/// The environment that a token claims, unverified: only to choose the key that verifies it.
pub fn claimed_environment(token: &str) -> Result<Environment, TokenError> {
    #[derive(Deserialize)]
    struct Claimed {
        env: String,
    }
    let claimed: Claimed = insecure_decode_claims(token).map_err(|_| TokenError::Malformed)?;
    claimed.env.parse().map_err(|_| TokenError::Foreign)
}

impl Claims {
    /// Returns true if it has the scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope.split_whitespace().any(|one| one == scope)
    }

    /// Returns true if both give the same groups and scopes, in whatever order.
    pub fn has_rights_of(&self, other: &Self) -> bool {
        let is_same = self.groups == other.groups && self.scope == other.scope;
        is_same
            || self.has_groups_of(other)
                && other.has_groups_of(self)
                && self.scope.split_whitespace().all(|scope| other.has_scope(scope))
                && other.scope.split_whitespace().all(|scope| self.has_scope(scope))
    }

    /// Returns true if it gives every group that the other gives.
    pub fn has_groups_of(&self, other: &Self) -> bool {
        let groups: HashSet<&String> = self.groups.iter().collect();
        other.groups.iter().all(|group| groups.contains(group))
    }

    /// Returns true if it was issued before the other. Without the times of both nobody can tell, and it is not.
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.iat.zip(other.iat).is_some_and(|(own, others)| own < others)
    }

    /// Returns true if it has ended.
    pub fn has_expired(&self) -> bool {
        self.expires() <= Timestamp::now()
    }

    /// Its end.
    pub fn expires(&self) -> Timestamp {
        Timestamp::from_second(self.exp).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn prod() -> Environment {
        "prod".parse().unwrap()
    }

    fn claims() -> Claims {
        Claims {
            sub: "ada".into(),
            env: "prod".into(),
            groups: vec!["ops".into()],
            scope: "publish tasks".into(),
            exp: Timestamp::now().as_second() + 60,
            iat: None,
            iss: None,
            aud: None,
        }
    }

    #[test]
    fn a_token_reads_back_with_its_scopes() {
        let key = Key::hs256(SECRET, None, None);
        let token = key.sign(&claims()).unwrap();
        assert_eq!(claimed_environment(&token), Ok(prod()));
        let read = key.verify(&token, &prod()).unwrap();
        assert_eq!(read, claims());
        assert!(read.has_scope("publish") && !read.has_scope("publish:everywhere") && !read.has_scope("pub"));
    }

    #[test]
    fn rights_are_the_same_in_any_order_and_others_if_one_is_gone_or_new() {
        let of = |groups: &[&str], scope: &str| Claims {
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            scope: scope.to_owned(),
            ..claims()
        };
        let rights = of(&["ops", "sales"], "tasks publish");
        assert!(rights.has_rights_of(&of(&["sales", "ops", "ops"], " publish  tasks publish")));
        for other in [
            of(&["ops"], "tasks publish"),
            of(&["ops", "sales", "x"], "tasks publish"),
            of(&["ops", "sales"], "tasks"),
            of(&["ops", "sales"], "tasks publish publish:tasks"),
            of(&["ops", "Sales"], "tasks publish"),
        ] {
            assert!(!rights.has_rights_of(&other) && !other.has_rights_of(&rights), "{other:?}");
        }
        assert!(rights.has_groups_of(&of(&["ops"], "")) && !of(&["ops"], "").has_groups_of(&rights));
    }

    #[test]
    fn only_times_of_issue_tell_which_token_is_older() {
        let issued = |iat, exp| Claims { iat, exp, ..claims() };
        assert!(issued(Some(1), 9).is_older_than(&issued(Some(2), 5)));
        assert!(!issued(Some(2), 5).is_older_than(&issued(Some(2), 9)));
        assert!(
            !issued(None, 5).is_older_than(&issued(Some(2), 9)) && !issued(Some(1), 5).is_older_than(&issued(None, 9))
        );
    }

    #[test]
    fn expired_foreign_forged_and_unsigned_tokens_are_refused() {
        let key = Key::hs256(SECRET, None, None);
        let verify =
            |key: &Key, claims: &Claims| Key::hs256(SECRET, None, None).verify(&key.sign(claims).unwrap(), &prod());
        let expired = Claims { exp: Timestamp::now().as_second() - 1, ..claims() };
        assert_eq!(verify(&key, &expired), Err(TokenError::Expired));
        assert_eq!(verify(&Key::hs256(b"another", None, None), &claims()), Err(TokenError::Foreign));
        let other = Claims { env: "qa".into(), ..claims() };
        assert_eq!(verify(&key, &other), Err(TokenError::Foreign));
        let spaced = Claims { sub: "ada group:ops".into(), ..claims() };
        assert_eq!(verify(&key, &spaced), Err(TokenError::Malformed));

        let token = key.sign(&claims()).unwrap();
        let body = token.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"JWT"}
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.");
        assert!(key.verify(&unsigned, &prod()).is_err());
        assert!(key.verify("x.y.z", &prod()).is_err());
        let hs512 = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims(), &EncodingKey::from_secret(SECRET));
        assert_eq!(key.verify(&hs512.unwrap(), &prod()), Err(TokenError::Foreign));
    }

    #[test]
    fn a_token_for_later_is_not_valid_yet() {
        let key = Key::hs256(SECRET, None, None);
        let mut later = serde_json::to_value(claims()).unwrap();
        later["nbf"] = (Timestamp::now().as_second() + 30).into();
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &later, &EncodingKey::from_secret(SECRET));
        assert_eq!(key.verify(&token.unwrap(), &prod()), Err(TokenError::NotYetValid));
    }

    #[test]
    fn an_issuer_and_audience_that_are_configured_must_be_named() {
        let key = Key::hs256(SECRET, Some("https://login"), Some("bellwire"));
        let verify = |claims: &Claims| key.verify(&key.sign(claims).unwrap(), &prod()).is_ok();
        assert!(!verify(&claims()));
        assert!(!verify(&Claims { iss: Some("https://evil".into()), aud: Some("bellwire".into()), ..claims() }));
        assert!(verify(&Claims { iss: Some("https://login".into()), aud: Some("bellwire".into()), ..claims() }));
    }
}
