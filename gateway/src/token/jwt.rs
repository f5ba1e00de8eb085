//! A signed JWT (RFC 7519) as it is written, before anything in it is believed.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use super::error::TokenError;

/// The parts of a token.
#[derive(Debug)]
pub struct Jwt<'a> {
    /// The algorithm that its header names.
    pub algorithm: String,
    /// The id of the key that its header names.
    pub key_id: Option<String>,
    /// Its claims.
    pub claims: Map<String, Value>,
    /// The text that is signed.
    pub(super) signed: &'a str,
    /// The signature as it is written.
    pub(super) signature: &'a str,
    pub(super) signature_bytes: Vec<u8>,
}

impl<'a> Jwt<'a> {
    /// Reads a token; its signature and its claims are not checked.
    pub fn read(token: &'a str) -> Result<Self, TokenError> {
        let parts = token.split('.').count();
        if parts == 5 {
            return Err(TokenError::malformed("token", "it is encrypted (JWE), and only signed ones are read"));
        }
        let (Some((signed, signature)), 3) = (token.rsplit_once('.'), parts) else {
            return Err(TokenError::malformed("token", "it is no JWT: three parts with dots between them"));
        };
        let (header, claims) = signed.split_once('.').unwrap_or_default();
        let header = object("header", header)?;
        // RFC 7515, 4.1.11: whoever does not understand all that it names must refuse the token. None of it is known here.
        if let Some(critical) = header.get("crit") {
            return Err(TokenError::malformed("crit", "it names an extension that is not understood here")
                .found(&critical.to_string()));
        }
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(TokenError::malformed(name, "in the header, it must be text")),
        };
        let algorithm = text("alg")?.ok_or_else(|| TokenError::malformed("alg", "it is missing in the header"))?;
        let (key_id, claims) = (text("kid")?, object("claims", claims)?);
        let signature_bytes = base64url("signature", signature)?;
        Ok(Self { algorithm, key_id, claims, signed, signature, signature_bytes })
    }

    /// Its issuer, if that is text.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

fn object(part: &'static str, text: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = base64url(part, text)?;
    // The error of the library says where and never what.
    serde_json::from_slice(&bytes)
        .map_err(|error| TokenError::malformed(part, format!("it is no JSON object: {error}")))
}

fn base64url(part: &'static str, text: &str) -> Result<Vec<u8>, TokenError> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| TokenError::malformed(part, "it is not base64url"))
}

/// The value of a claim, which may lie in objects: `a.b` is the claim of that name, or `b` in `a`. Null is none.
pub(super) fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = claims.get(name).or_else(|| {
        name.match_indices('.').find_map(|(at, _)| {
            let inner = claims.get(&name[..at])?.as_object()?;
            find(inner, &name[at + 1..])
        })
    });
    found.filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(header: &Value, claims: &str) -> String {
        format!(
            "{}.{}.c2ln",
            BASE64URL_NOPAD.encode(header.to_string().as_bytes()),
            BASE64URL_NOPAD.encode(claims.as_bytes())
        )
    }

    fn refused(token: &str) -> String {
        Jwt::read(token).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_jwt_is_refused_by_the_part_that_is_wrong() {
        for (text, words) in [
            ("x", "three parts"),
            ("a.b.c.d", "three parts"),
            ("a.b.c.d.e", "encrypted (JWE)"),
            ("!.e30.", "header: it is not base64url"),
            ("e30=.e30.", "header: it is not base64url"),
            ("W10.e30.", "header: it is no JSON object"),
            ("e30.e30.", "alg: it is missing"),
            (&token(&json!({"alg": 1}), "{}"), "alg: in the header, it must be text"),
            (&token(&json!({"alg": "RS256", "kid": 7}), "{}"), "kid: in the header, it must be text"),
            (&token(&json!({"alg": "RS256"}), "{\"exp\":"), "claims: it is no JSON object"),
            (&format!("{}\n", token(&json!({"alg": "HS256"}), "{}")), "signature: it is not base64url"),
        ] {
            assert!(refused(text).contains(words), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn an_extension_that_must_be_understood_is_refused_and_others_are_ignored() {
        for critical in [json!(["b64"]), json!(["exp"]), json!([]), json!(null), json!("x")] {
            let refused = refused(&token(&json!({"alg": "HS256", "crit": critical, "b64": false}), "{}"));
            assert!(refused.contains("crit: it names an extension"), "{refused}");
        }
        let header = json!({"alg": "HS256", "kid": "k", "typ": "at+jwt", "x5t": "y", "nonce": 1});
        let text = token(&header, "{}");
        let jwt = Jwt::read(&text).unwrap();
        assert_eq!((jwt.algorithm.as_str(), jwt.key_id.as_deref()), ("HS256", Some("k")));
    }

    #[test]
    fn a_name_with_dots_is_a_claim_or_leads_into_objects() {
        let claims = json!({
            "realm_access": { "roles": ["a"] },
            "resource_access": { "my.client": { "roles": ["b"] } },
            "https://example.com/roles": ["c"],
            "groups": null,
            "text": "x",
        });
        let claims = claims.as_object().unwrap();
        let found = |name| find(claims, name).map(Value::to_string);
        assert_eq!(found("realm_access.roles").as_deref(), Some("[\"a\"]"));
        assert_eq!(found("resource_access.my.client.roles").as_deref(), Some("[\"b\"]"));
        assert_eq!(found("https://example.com/roles").as_deref(), Some("[\"c\"]"));
        for none in ["groups", "realm_access.users", "text.length", "none", "", ".", "realm_access."] {
            assert_eq!(found(none), None, "{none}");
        }
    }
}
