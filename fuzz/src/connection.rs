use std::sync::LazyLock;

use model::PodId;

use crate::{
    connection_token::ConnectionToken,
    token::{Claims, Key},
};

static KEY: LazyLock<Key> = LazyLock::new(|| Key::hs256(b"0123456789abcdef0123456789abcdef", None, None));

static ADA: LazyLock<Claims> = LazyLock::new(|| Claims {
    sub: "ada".to_owned(),
    env: "prod".to_owned(),
    groups: Vec::new(),
    scope: String::new(),
    exp: i64::MAX,
    iat: None,
    iss: None,
    aud: None,
});

/// A connection token has only one text. Reading never panics, even with a valid signature, which a fuzzer cannot make.
pub fn connection_token(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let signature = KEY.internal.sign(format!("connection {text} prod ada").as_bytes());
    for text in [text, &format!("{text}.{signature}")] {
        if let Some(token) = ConnectionToken::verify(&KEY, &ADA, text) {
            assert_eq!(token.sign(&KEY, &ADA), text);
        }
    }
}

/// A token, and one without its signature.
pub fn connection_tokens() -> Vec<Vec<u8>> {
    let text = ConnectionToken::issue(PodId::gateway()).sign(&KEY, &ADA);
    let body = text.split('.').next().unwrap_or_default();
    vec![body.as_bytes().to_vec(), text.into_bytes()]
}
