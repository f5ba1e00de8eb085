use std::sync::LazyLock;

use gateway::{
    Claims, Key,
    hub::connection_token::ConnectionToken,
    token::{Jwt, TokenError, selection::select_environment},
};
use model::{Environment, PodId};
use serde_json::json;

static KEY: LazyLock<Key> = LazyLock::new(|| Key::hs256(b"0123456789abcdef0123456789abcdef", None, None));

static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| "prod".parse().expect("it is a name"));

static ADA: LazyLock<Claims> = LazyLock::new(|| {
    let claims = json!({ "sub": "ada", "env": "prod", "groups": ["ops"], "scope": "tasks", "exp": i64::MAX });
    serde_json::from_value(claims).expect("these are claims")
});

/// Only what was signed with the key is an access token, and it says what was signed.
pub fn access_token(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(jwt) = Jwt::read(text) {
        select_environment(&jwt, [(&*ENVIRONMENT, &*KEY)].into_iter()).ok();
    }
    match KEY.verify(text, &ENVIRONMENT) {
        Ok(claims) => assert_eq!(claims, *ADA),
        Err(error) => assert!(!matches!(error, TokenError::Missing | TokenError::Scope(_)), "{error:?}"),
    }
}

/// A good token, and those that must not pass: unsigned, with another algorithm.
pub fn access_tokens() -> Vec<Vec<u8>> {
    let good = KEY.sign(&ADA).expect("claims can be signed");
    let claims = good.split('.').nth(1).unwrap_or_default();
    // {"alg":"none"} and {"alg":"HS512"}.
    let unsigned = ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzUxMiJ9"].map(|head| format!("{head}.{claims}."));
    unsigned.into_iter().chain([good]).map(String::into_bytes).collect()
}

/// A connection token has only one text, and only a signed one is taken.
pub fn connection_token(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Some(token) = ConnectionToken::read(text) {
        let signed = token.sign(&KEY, &ADA);
        assert_eq!(signed.split('.').next(), Some(text));
        assert!(signed.len() > 512 || ConnectionToken::verify(&KEY, &ADA, &signed) == Some(token));
    }
    if let Some(token) = ConnectionToken::verify(&KEY, &ADA, text) {
        assert_eq!(token.sign(&KEY, &ADA), text);
    }
}

/// A token, and one without its signature.
pub fn connection_tokens() -> Vec<Vec<u8>> {
    let text = ConnectionToken::issue(PodId::gateway()).sign(&KEY, &ADA);
    let body = text.split('.').next().unwrap_or_default();
    vec![body.as_bytes().to_vec(), text.into_bytes()]
}
