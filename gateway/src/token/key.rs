//! The keys of an environment: its secret, and those of its identity providers.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto};
use model::Environment;
use process::{ClaimNames, Texts};
use signing::{SigningKey, VerifyingKeys};

use super::{
    claim_rules::{Belonging, ClaimRules},
    claims::Claims,
    error::TokenError,
    internal_key::InternalKey,
    jwt::Jwt,
    provider::Provider,
    public_key::public_key_algorithm,
    refusal_log::RefusalLog,
};
use crate::hmac;

/// The algorithm of an environment's own secret.
const OWN_ALGORITHM: &str = "HS256";

/// The keys of an environment: its HS256 secret, and its identity providers; cheap to clone.
#[derive(Clone)]
pub struct Key {
    verify: DecodingKey,
    sign: EncodingKey,
    /// How tokens that are signed with the secret are read.
    rules: ClaimRules,
    takes_own_tokens: bool,
    /// The identity providers whose tokens are taken.
    pub(crate) providers: Vec<Provider>,
    /// The key of what the gateway gives to clients of this environment and reads back itself.
    pub(crate) internal: InternalKey,
    /// The key of what the gateway signs and workers verify.
    pub(crate) signing: SigningKey,
    /// The keys of gateways that this one believes.
    pub(crate) trusted: VerifyingKeys,
    pub(crate) log: Arc<RefusalLog>,
}

impl Key {
    /// A key from an HS256 secret, with the issuer and audience that tokens must name, if any.
    pub fn hs256(secret: &[u8], issuer: Option<&str>, audience: Option<&str>) -> Self {
        hmac::install();
        let sign = EncodingKey::from_secret(secret);
        let signing = SigningKey::derived_from(secret);
        let rules = ClaimRules {
            issuer: issuer.map(str::to_owned),
            audience: audience.map(|audience| Texts::of(&[audience])).unwrap_or_default(),
            ..ClaimRules::default()
        };
        Self {
            verify: DecodingKey::from_secret(secret),
            internal: InternalKey::derived_from(&sign),
            sign,
            rules,
            takes_own_tokens: true,
            providers: Vec::new(),
            trusted: signing.verifying_key().into(),
            signing,
            log: Arc::default(),
        }
    }

    /// The same key; answers that gateways with these keys have signed, such as an older secret's, are believed as well.
    #[must_use]
    pub fn trusting(self, others: VerifyingKeys) -> Self {
        let trusted = others.with(self.signing.verifying_key());
        Self { trusted, ..self }
    }

    /// The same key; claims of tokens that are signed with the secret have these names, and their times this leeway.
    #[must_use]
    pub fn reading(self, names: ClaimNames, leeway: Duration) -> Self {
        Self { rules: ClaimRules { names, leeway, ..self.rules }, ..self }
    }

    /// The same key; tokens of these identity providers are taken as well.
    #[must_use]
    pub fn with_providers(self, providers: Vec<Provider>) -> Self {
        Self { providers, ..self }
    }

    /// The same key; tokens that are signed with the secret are not taken.
    #[must_use]
    pub fn without_own_tokens(self) -> Self {
        Self { takes_own_tokens: false, ..self }
    }

    /// Signs these claims with the secret.
    pub fn sign(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &self.rules.write(claims), &self.sign)
    }

    /// Checks a token's signature, time and claims, and that it is for this environment.
    pub fn verify(&self, token: &str, environment: &Environment) -> Result<Claims, TokenError> {
        self.verify_jwt(&Jwt::read(token)?, environment)
    }

    /// The same for a token in parts.
    pub fn verify_jwt(&self, jwt: &Jwt<'_>, environment: &Environment) -> Result<Claims, TokenError> {
        let rules = match public_key_algorithm(&jwt.algorithm) {
            // The secret verifies its own algorithm and no other, and no public key verifies that.
            None if jwt.algorithm == OWN_ALGORITHM => {
                if !self.takes_own_tokens {
                    return Err(not_taken(OWN_ALGORITHM));
                }
                let is_signed = crypto::verify(jwt.signature, jwt.signed.as_bytes(), &self.verify, Algorithm::HS256)
                    .unwrap_or(false);
                if !is_signed {
                    return Err(TokenError::foreign("signature", "it was not made with the key of this environment"));
                }
                &self.rules
            }
            None => return Err(unknown_algorithm(&jwt.algorithm)),
            Some(algorithm) => self.verify_by_provider(jwt, algorithm)?,
        };
        rules.read(&jwt.claims, environment, &self.log)
    }

    /// The rules of the tokens that this one may be of, none of which is verified.
    fn rules_of<'a>(&'a self, jwt: &'a Jwt<'_>) -> impl Iterator<Item = &'a ClaimRules> {
        let is_own = public_key_algorithm(&jwt.algorithm).is_none();
        let own = std::iter::once(&self.rules).filter(move |_| is_own);
        own.chain(self.providers.iter().filter(move |_| !is_own).map(Provider::rules))
    }

    /// What a token says about this environment, before it is verified.
    pub(super) fn belonging(&self, jwt: &Jwt<'_>, environment: &Environment) -> Belonging {
        let all: Vec<Belonging> = self.rules_of(jwt).map(|rules| rules.belonging(&jwt.claims, environment)).collect();
        let is_there = |one| all.contains(&one);
        match (is_there(Belonging::Named), is_there(Belonging::Implied)) {
            (true, _) => Belonging::Named,
            (false, true) => Belonging::Implied,
            (false, false) => Belonging::Another,
        }
    }

    /// The refusal of a token that belongs to no environment, as this one's rules see it.
    pub(super) fn refusal(&self, jwt: &Jwt<'_>) -> TokenError {
        let is_issuer = |rules: &&ClaimRules| rules.issuer.as_deref() == jwt.issuer();
        let Some(rules) = self.rules_of(jwt).find(is_issuer).or_else(|| self.rules_of(jwt).next()) else {
            return not_taken(&jwt.algorithm);
        };
        match rules.named_environment(&jwt.claims) {
            Some(found) => rules.other_environment(found),
            None => rules.check_origin(&jwt.claims).err().unwrap_or_else(|| rules.missing_environment()),
        }
    }

    /// The rules of the provider whose issuer and audience a token has, and whose key has signed it: of those that find their
    /// keys by an address alone several may have issued it.
    fn verify_by_provider(&self, jwt: &Jwt<'_>, algorithm: Algorithm) -> Result<&ClaimRules, TokenError> {
        let mut refusal = (0, not_taken(&jwt.algorithm));
        for provider in &self.providers {
            let rules = provider.rules();
            let (weight, error) = match rules.check_origin(&jwt.claims) {
                // Of one whose issuer it is the fault lies in the audience, which says more.
                Err(error) => (if rules.issuer.as_deref() == jwt.issuer() { 2 } else { 1 }, error),
                Ok(()) => match provider.verify(jwt, algorithm) {
                    Ok(()) => return Ok(rules),
                    // It may be good once the keys are read.
                    Err(error @ TokenError::KeysAreRead(_)) => (4, error),
                    Err(error) => (3, error),
                },
            };
            if weight > refusal.0 {
                refusal = (weight, error);
            }
        }
        Err(refusal.1)
    }
}

fn not_taken(algorithm: &str) -> TokenError {
    TokenError::foreign("alg", "tokens of this algorithm are not taken in this environment").found(algorithm)
}

fn unknown_algorithm(name: &str) -> TokenError {
    let reason = "tokens of this algorithm are taken nowhere";
    match name {
        "HS384" | "HS512" => TokenError::foreign("alg", reason).found(name),
        _ => TokenError::malformed("alg", reason).found(name),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn prod() -> Environment {
        "prod".parse().unwrap()
    }

    #[test]
    fn a_token_reads_back_with_its_scopes() {
        let key = Key::hs256(SECRET, None, None);
        let claims = Claims::sample();
        let read = key.verify(&key.sign(&claims).unwrap(), &prod()).unwrap();
        assert_eq!(read, claims);
        assert!(read.has_scope("publish") && !read.has_scope("publish:everywhere") && !read.has_scope("pub"));
    }

    #[test]
    fn expired_foreign_forged_and_unsigned_tokens_are_refused() {
        let key = Key::hs256(SECRET, None, None);
        let verify =
            |key: &Key, claims: &Claims| Key::hs256(SECRET, None, None).verify(&key.sign(claims).unwrap(), &prod());
        let expired = Claims { exp: Timestamp::now().as_second() - 1, ..Claims::sample() };
        assert_eq!(verify(&key, &expired), Err(TokenError::Expired));
        let code = |result: Result<Claims, TokenError>| result.unwrap_err().code();
        assert_eq!(code(verify(&Key::hs256(b"another", None, None), &Claims::sample())), "token-foreign");
        let other = Claims { env: "qa".into(), ..Claims::sample() };
        assert_eq!(code(verify(&key, &other)), "token-foreign");
        let spaced = Claims { sub: "ada group:ops".into(), ..Claims::sample() };
        assert_eq!(code(verify(&key, &spaced)), "token-malformed");

        let token = key.sign(&Claims::sample()).unwrap();
        let body = token.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"JWT"}
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.");
        assert!(key.verify(&unsigned, &prod()).is_err());
        assert!(key.verify("x.y.z", &prod()).is_err());
        let hs512 =
            jsonwebtoken::encode(&Header::new(Algorithm::HS512), &Claims::sample(), &EncodingKey::from_secret(SECRET));
        assert_eq!(code(key.verify(&hs512.unwrap(), &prod())), "token-foreign");
    }

    #[test]
    fn a_token_for_later_is_not_valid_yet() {
        let key = Key::hs256(SECRET, None, None);
        let mut later = serde_json::to_value(Claims::sample()).unwrap();
        later["nbf"] = (Timestamp::now().as_second() + 30).into();
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &later, &EncodingKey::from_secret(SECRET));
        assert_eq!(key.verify(&token.unwrap(), &prod()), Err(TokenError::NotYetValid));
    }

    #[test]
    fn an_issuer_and_audience_that_are_configured_must_be_named() {
        let key = Key::hs256(SECRET, Some("https://login"), Some("bellwire"));
        let verify = |claims: &Claims| key.verify(&key.sign(claims).unwrap(), &prod()).is_ok();
        assert!(!verify(&Claims::sample()));
        assert!(!verify(&Claims {
            iss: Some("https://evil".into()),
            aud: Some("bellwire".into()),
            ..Claims::sample()
        }));
        assert!(verify(&Claims {
            iss: Some("https://login".into()),
            aud: Some("bellwire".into()),
            ..Claims::sample()
        }));
    }

    #[test]
    fn where_the_secret_signs_no_tokens_none_of_it_is_taken() {
        let token = Key::hs256(SECRET, None, None).sign(&Claims::sample()).unwrap();
        let refusal = Key::hs256(SECRET, None, None).without_own_tokens().verify(&token, &prod()).unwrap_err();
        assert_eq!((refusal.code(), refusal.fault().unwrap().part.as_str()), ("token-foreign", "alg"));
    }
}
