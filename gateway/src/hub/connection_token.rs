//! The token that names a connection on every request. It is signed, so that any pod can check it without any state.
//!
//! It is bound to user and environment and not to an access token, since older clients send a new one with every
//! request. Neither is in its text: a URL lands in the logs of proxies.

use std::{fmt, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use model::PodId;
use serde::{Deserialize, Serialize};

use crate::token::{Claims, Key};

/// Most bytes of a token as text.
const MAX_TOKEN_BYTES: usize = 512;
const ID_BYTES: usize = 16;
const TIME_BYTES: usize = 8;

/// The id of a connection: 128 random bits. Public, since it is worth nothing without the token's signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HubId([u8; ID_BYTES]);

/// A connection's id, when it was issued, and by which pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionToken {
    /// The connection's id.
    pub id: HubId,
    /// The time of issue, in whole seconds.
    pub issued: Timestamp,
    /// The pod that issued it, which serves its polls.
    #[serde(rename = "home")]
    pub pod: PodId,
}

impl ConnectionToken {
    /// A new token, issued now by this pod.
    pub fn issue(pod: PodId) -> Self {
        let now = Timestamp::now().as_second();
        Self { id: HubId(rand::random()), issued: Timestamp::from_second(now).unwrap_or_default(), pod }
    }

    /// The time since it was issued; zero, if another pod's timer is ahead.
    pub fn age(&self) -> Duration {
        Duration::try_from(Timestamp::now() - self.issued).unwrap_or_default()
    }

    /// The token as text for the user of these claims; base64url letters and a dot, at most 512 bytes.
    pub fn sign(&self, key: &Key, claims: &Claims) -> String {
        let issued = self.issued.as_second().to_be_bytes();
        let body = BASE64URL_NOPAD.encode(&[&self.id.0[..], &issued, self.pod.as_str().as_bytes()].concat());
        let signature = key.internal.sign(&signed_text(&body, claims));
        format!("{body}.{signature}")
    }

    /// Reads a text that any pod signed for the user of these claims.
    pub fn verify(key: &Key, claims: &Claims, text: &str) -> Option<Self> {
        let (body, signature) = text.split_once('.').filter(|_| text.len() <= MAX_TOKEN_BYTES)?;
        if !key.internal.verify(signature, &signed_text(body, claims)) {
            return None;
        }
        Self::read(body)
    }

    /// Reads the part of a token before its signature, unverified.
    pub fn read(body: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(body.as_bytes()).ok()?;
        let (id, rest) = bytes.split_first_chunk::<ID_BYTES>()?;
        let (issued, pod) = rest.split_first_chunk::<TIME_BYTES>()?;
        Some(Self {
            id: HubId(*id),
            issued: Timestamp::from_second(i64::from_be_bytes(*issued)).ok()?,
            pod: std::str::from_utf8(pod).ok()?.parse().ok()?,
        })
    }
}

/// The signed text: the token and the user whose connection it is.
fn signed_text(body: &str, claims: &Claims) -> Vec<u8> {
    // An environment has no space, and a user no line end, so no two owners share a text.
    format!("connection {body} {} {}", claims.env, claims.sub).into_bytes()
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl From<HubId> for String {
    fn from(id: HubId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for HubId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("it is no connection id")
    }
}

/// Ids do not belong into logs.
impl fmt::Debug for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HubId(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn key() -> Key {
        Key::hs256(SECRET, None, None)
    }

    fn owner(environment: &str, user: &str) -> Claims {
        Claims {
            sub: user.into(),
            env: environment.into(),
            groups: vec![],
            scope: String::new(),
            exp: Timestamp::now().as_second() + 60,
            iat: None,
            iss: None,
            aud: None,
        }
    }

    prop_compose! {
        fn any_token()(id: [u8; 16], seconds in 0..4_102_444_800_i64, pod in "[a-z0-9-]{1,64}") -> ConnectionToken {
            ConnectionToken { id: HubId(id), issued: Timestamp::from_second(seconds).unwrap(), pod: pod.parse().unwrap() }
        }
    }

    proptest! {
        #[test]
        fn one_reads_back_for_its_user_and_is_fit_for_a_url(token in any_token(), user in "\\PC{1,64}") {
            let owner = owner("prod", &user);
            let text = token.sign(&key(), &owner);
            prop_assert!(text.len() <= MAX_TOKEN_BYTES && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
            prop_assert_eq!(ConnectionToken::verify(&key(), &owner, &text), Some(token));
        }

        #[test]
        fn any_changed_byte_is_refused(token in any_token(), at: prop::sample::Index, byte in 0x20..0x7f_u8) {
            let owner = owner("prod", "ada");
            let mut text = token.sign(&key(), &owner).into_bytes();
            let at = at.index(text.len());
            prop_assume!(text[at] != byte);
            text[at] = byte;
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(ConnectionToken::verify(&key(), &owner, &text), None);
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC*", body in "[A-Za-z0-9_-]{0,200}") {
            let owner = owner("prod", "ada");
            prop_assert_eq!(ConnectionToken::verify(&key(), &owner, &text), None);
            // Even what bears our signature is only read as far as it goes.
            let signed = format!("{body}.{}", key().internal.sign(&signed_text(&body, &owner)));
            ConnectionToken::verify(&key(), &owner, &signed);
        }
    }

    #[test]
    fn it_is_worth_nothing_to_others_elsewhere_or_under_another_key() {
        let token = ConnectionToken::issue(PodId::gateway());
        let text = token.sign(&key(), &owner("prod", "ada"));
        assert_eq!(ConnectionToken::verify(&key(), &owner("prod", "ada"), &text).as_ref(), Some(&token));
        for other in [owner("prod", "bob"), owner("test", "ada"), owner("prod", "ada x"), owner("", "prod ada")] {
            assert_eq!(ConnectionToken::verify(&key(), &other, &text), None);
        }
        let another = Key::hs256(b"another secret that is long enough", None, None);
        assert_eq!(ConnectionToken::verify(&another, &owner("prod", "ada"), &text), None);
        assert!(token.age() < Duration::from_secs(10));
    }

    #[test]
    fn it_is_no_access_token_and_an_access_token_is_none() {
        let key = key();
        let access = key.sign(&owner("prod", "ada")).unwrap();
        let (signed, signature) = access.rsplit_once('.').unwrap();
        assert!(!key.internal.verify(signature, signed.as_bytes()), "the keys differ");
        let forged = format!("{signed}.{}", key.internal.sign(signed.as_bytes()));
        assert!(key.verify(&forged, &"prod".parse().unwrap()).is_err());
    }

    #[test]
    fn ids_are_never_the_same_and_not_shown() {
        let (one, other) = (ConnectionToken::issue(PodId::gateway()), ConnectionToken::issue(PodId::gateway()));
        assert_ne!(one.id, other.id);
        assert!(!format!("{one:?}").contains(&one.id.to_string()));
    }
}
