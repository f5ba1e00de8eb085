//! The environment that a token is for, unverified: only to choose the keys that verify it.

use model::Environment;

use super::{claim_rules::Belonging, error::TokenError, jwt::Jwt, key::Key};

/// The environment that a token names; where it names none, the only one whose issuer and audience it has.
pub fn select_environment<'a>(
    jwt: &Jwt<'_>,
    environments: impl Iterator<Item = (&'a Environment, &'a Key)>,
) -> Result<&'a Environment, TokenError> {
    let (mut named, mut implied, mut refusal) = (Vec::new(), Vec::new(), None);
    for (name, key) in environments {
        match key.belonging(jwt, name) {
            Belonging::Named => named.push(name),
            Belonging::Implied => implied.push(name),
            Belonging::Another => {
                let error = key.refusal(jwt);
                // A value that is wrong says more than one that is missing, and the environment more than its issuer.
                let telling = |error: &TokenError| match error.fault() {
                    Some(fault) if fault.part == "alg" => 0,
                    Some(fault) if fault.found.is_some() => 3,
                    _ if matches!(error, TokenError::Malformed(_)) => 2,
                    _ => 1,
                };
                if refusal.as_ref().is_none_or(|refusal| telling(&error) > telling(refusal)) {
                    refusal = Some(error);
                }
            }
        }
    }
    let found = if named.is_empty() { implied } else { named };
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(refusal.unwrap_or_else(|| TokenError::foreign("env", "no environment is served here"))),
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            let reason = "it does not tell one environment from others; their settings need different audiences";
            Err(TokenError::foreign("env", reason).found(&names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn select(keys: &[(&str, Key)], claims: &Value) -> Result<String, String> {
        let keys: Vec<(Environment, Key)> =
            keys.iter().map(|(name, key)| (name.parse().unwrap(), key.clone())).collect();
        let encode = |json: &Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
        let token = format!("{}.{}.c2ln", encode(&json!({ "alg": "HS256" })), encode(claims));
        let jwt = Jwt::read(&token).unwrap();
        let selected = select_environment(&jwt, keys.iter().map(|(name, key)| (name, key)));
        selected.map(Environment::to_string).map_err(|error| format!("{} {error}", error.code()))
    }

    #[test]
    fn a_token_is_for_the_environment_that_it_names_or_for_the_only_one_that_fits() {
        let plain = Key::hs256(SECRET, None, None);
        let of = |audience| Key::hs256(SECRET, Some("https://login"), Some(audience));
        let plain = [("prod", plain.clone()), ("test", plain)];
        assert_eq!(select(&plain, &json!({ "env": "test" })).as_deref(), Ok("test"));
        assert!(select(&plain, &json!({ "env": "qa" })).unwrap_err().starts_with("token-foreign"));
        assert!(select(&plain, &json!({ "env": 7 })).unwrap_err().starts_with("token-foreign"));
        assert!(select(&plain, &json!({})).unwrap_err().contains("env: it is missing"));
        let told = [("prod", of("bellwire-prod")), ("test", of("bellwire-test"))];
        let from = |audience: &str| json!({ "iss": "https://login", "aud": [audience, "account"] });
        assert_eq!(select(&told, &from("bellwire-test")).as_deref(), Ok("test"));
        assert!(select(&told, &from("another")).unwrap_err().contains("aud: it does not hold"));
        assert!(select(&told, &json!({ "iss": "x", "aud": "bellwire-test" })).unwrap_err().contains("iss: it is not"));
        let same = [("prod", of("bellwire")), ("test", of("bellwire"))];
        assert!(select(&same, &from("bellwire")).unwrap_err().contains("does not tell one environment from others"));
        assert_eq!(select(&same, &json!({ "env": "prod", "iss": "https://login" })).as_deref(), Ok("prod"));
    }
}
