//! The public keys of an identity provider, from a JWK set.

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value;

use super::{error::TokenError, jwt::Jwt, public_key::PublicKey};

/// Most keys of a set that are read.
const MAX_KEYS: usize = 100;
/// Most keys that are tried for a token that names none.
const MAX_TRIED: usize = 8;

/// The keys that verify signatures.
#[derive(Debug)]
pub(super) struct KeySet(Vec<PublicKey>);

/// Why no key of a set has verified a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotVerified {
    /// The set has no key that could have signed it; a newer set may.
    UnknownKey,
    /// It has the key, and the token was not signed with it.
    Refused(TokenError),
}

impl KeySet {
    /// Reads a JWK set, with the reasons why keys of it were left out. An error when none is left.
    pub(super) fn read(document: &[u8], wanted: &[Algorithm]) -> Result<(Self, Vec<String>), String> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document =
            serde_json::from_slice(document).map_err(|error| format!("it is no JWK set: {error}"))?;
        let (mut keys, mut left_out) = (Vec::new(), Vec::new());
        for jwk in document.keys.iter().take(MAX_KEYS) {
            match PublicKey::read(jwk, wanted) {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    let id = jwk.get("kid").and_then(Value::as_str).unwrap_or("without kid");
                    left_out.push(format!("{id:?}: {reason}"));
                }
            }
        }
        if document.keys.len() > MAX_KEYS {
            left_out.push(format!("of {} keys only the first {MAX_KEYS} are read", document.keys.len()));
        }
        match keys.is_empty() {
            true => Err(format!("no key in it can be used ({})", left_out.join("; "))),
            false => Ok((Self(keys), left_out)),
        }
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Verifies the signature of a token.
    pub(super) fn verify(&self, jwt: &Jwt<'_>, algorithm: Algorithm) -> Result<(), NotVerified> {
        let is_named = |key: &&PublicKey| jwt.key_id.is_some() && key.id == jwt.key_id;
        let mut candidates: Vec<&PublicKey> = self.0.iter().filter(is_named).collect();
        let is_by_id = !candidates.is_empty();
        if !is_by_id {
            // A key without an id may be meant, and a token without one means any.
            let may_be_meant = |key: &&PublicKey| jwt.key_id.is_none() || key.id.is_none();
            candidates = self.0.iter().filter(may_be_meant).collect();
        }
        if candidates.is_empty() {
            return Err(NotVerified::UnknownKey);
        }
        candidates.retain(|key| key.serves(algorithm));
        if candidates.is_empty() {
            let reason = "it is not the algorithm of the key that it names";
            return Err(NotVerified::Refused(TokenError::foreign("alg", reason).found(&jwt.algorithm)));
        }
        let bytes = jwt.signed.as_bytes();
        match candidates.iter().take(MAX_TRIED).any(|key| key.verify(algorithm, bytes, &jwt.signature_bytes)) {
            true => Ok(()),
            false if is_by_id => {
                let error = TokenError::foreign("signature", "it was not made with the key that the token names");
                Err(NotVerified::Refused(error.found(jwt.key_id.as_deref().unwrap_or_default())))
            }
            false => Err(NotVerified::UnknownKey),
        }
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::json;

    use super::*;

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn jwk(seed: u8, id: Option<&str>) -> Value {
        let x = BASE64URL_NOPAD.encode(pair(seed).public_key().as_ref());
        let mut key = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
        id.into_iter().for_each(|id| key["kid"] = json!(id));
        key
    }

    fn token(seed: u8, header: &Value) -> String {
        let signed = format!("{}.e30", BASE64URL_NOPAD.encode(header.to_string().as_bytes()));
        format!("{signed}.{}", BASE64URL_NOPAD.encode(pair(seed).sign(signed.as_bytes()).as_ref()))
    }

    fn verify(keys: &[Value], token: &str) -> Result<(), NotVerified> {
        let (set, _) = KeySet::read(json!({ "keys": keys }).to_string().as_bytes(), &[]).unwrap();
        let jwt = Jwt::read(token).unwrap();
        set.verify(&jwt, super::super::public_key::public_key_algorithm(&jwt.algorithm).unwrap())
    }

    fn code(result: Result<(), NotVerified>) -> String {
        match result {
            Ok(()) => "verified".to_owned(),
            Err(NotVerified::UnknownKey) => "unknown key".to_owned(),
            Err(NotVerified::Refused(error)) => error.fault().unwrap().part.clone(),
        }
    }

    #[test]
    fn a_token_is_verified_by_the_key_that_it_names_or_by_any_if_it_names_none() {
        let keys = [jwk(1, Some("one")), jwk(2, Some("two"))];
        let signed = |seed, id: Option<&str>| match id {
            Some(id) => token(seed, &json!({ "alg": "EdDSA", "kid": id })),
            None => token(seed, &json!({ "alg": "EdDSA" })),
        };
        assert_eq!(code(verify(&keys, &signed(2, Some("two")))), "verified");
        assert_eq!(code(verify(&keys, &signed(2, Some("one")))), "signature");
        assert_eq!(code(verify(&keys, &signed(3, Some("three")))), "unknown key");
        assert_eq!(code(verify(&keys, &signed(2, None))), "verified");
        assert_eq!(code(verify(&keys, &signed(3, None))), "unknown key", "a newer set may have it");
        let nameless = [jwk(1, Some("one")), jwk(2, None)];
        assert_eq!(code(verify(&nameless, &signed(2, Some("two")))), "verified");
        let twice = [jwk(1, Some("one")), jwk(2, Some("one"))];
        assert_eq!(code(verify(&twice, &signed(2, Some("one")))), "verified", "one id for two keys");
        let other = token(1, &json!({ "alg": "ES256", "kid": "one" }));
        assert_eq!(code(verify(&keys, &other)), "alg");
    }

    #[test]
    fn a_set_without_one_good_key_is_an_error_and_a_bad_key_harms_no_other() {
        let read = |document: &str| KeySet::read(document.as_bytes(), &[]).map(|(set, left_out)| (set.len(), left_out));
        let odd = json!({ "keys": [7, { "kty": "oct", "k": "YQ", "kid": "secret" }, { "kty": "new" }, jwk(1, None)] });
        let (count, left_out) = read(&odd.to_string()).unwrap();
        assert_eq!((count, left_out.len()), (1, 3), "{left_out:?}");
        assert!(left_out[1].contains("\"secret\": it is a shared secret"), "{left_out:?}");
        for none in ["{\"keys\":[]}", "{}", "[]", "<html>", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"YQ\"}]}"] {
            assert!(read(none).is_err(), "{none}");
        }
    }
}
