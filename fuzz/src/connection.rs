use std::sync::LazyLock;

use model::PodId;

use crate::{
    caller::{Caller, Gate},
    connection_token::ConnectionToken,
    token::{Claims, Key},
};

static ADA: LazyLock<Caller> = LazyLock::new(|| Caller {
    gate: Gate {
        environment: "prod".parse().expect("a name of an environment"),
        key: Key::hs256(b"0123456789abcdef0123456789abcdef", None, None),
    },
    claims: Claims {
        sub: "ada".to_owned(),
        env: "prod".to_owned(),
        groups: Vec::new(),
        scope: String::new(),
        exp: i64::MAX,
        iss: None,
        aud: None,
    },
});

/// A text that is a connection token is its only text. Nor does one panic that bears our signature, which a fuzzer cannot
/// make.
pub fn connection_token(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let signature = ADA.gate.key.seal().sign(format!("connection {text} prod ada").as_bytes());
    for text in [text, &format!("{text}.{signature}")] {
        if let Ok(token) = ConnectionToken::verify(&ADA, text) {
            assert_eq!(token.sign(&ADA), text);
        }
    }
}

/// A token, and one without its signature.
pub fn connection_tokens() -> Vec<Vec<u8>> {
    let text = ConnectionToken::issue(PodId::gateway()).sign(&ADA);
    let body = text.split('.').next().unwrap_or_default();
    vec![body.as_bytes().to_vec(), text.into_bytes()]
}
