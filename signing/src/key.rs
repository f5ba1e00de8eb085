//! The key pair of an environment's gateways, and the public keys that workers believe.

use std::{fmt, str::FromStr, sync::Arc};

use data_encoding::BASE64URL_NOPAD;
use ring::{
    hmac,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use crate::text::SignedText;

const PUBLIC_BYTES: usize = 32;
/// What the seed is made of besides the secret. It has no dot, so the seed is no signature of an access token.
const SEED: &[u8] = b"bellwire: the key pair of an environment's gateways";

/// The key pair with which an environment's gateways sign; cheap to clone, and never shown.
#[derive(Clone)]
pub struct SigningKey(Arc<Ed25519KeyPair>);

/// The public half of a [`SigningKey`]; as text 43 letters of base64url. It is no secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey([u8; PUBLIC_BYTES]);

/// The keys that are believed: one, or while a secret is replaced the new one and the old one. In settings a list, or a
/// text with commas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyingKeys(Vec<VerifyingKey>);

/// A text that is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no public key of gateways: 43 letters of base64url, as `bellwire key` prints them")]
pub struct InvalidKey;

impl SigningKey {
    /// The key pair that is made from an environment's secret.
    pub fn derived_from(secret: &[u8]) -> Self {
        let seed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), SEED);
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).expect("a seed of Ed25519 is any 32 bytes");
        Self(Arc::new(pair))
    }

    /// Its public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut bytes = [0; PUBLIC_BYTES];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        VerifyingKey(bytes)
    }

    /// The signature: 86 letters of base64url.
    pub(crate) fn sign(&self, text: &SignedText) -> String {
        BASE64URL_NOPAD.encode(self.0.sign(text.bytes()).as_ref())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl VerifyingKeys {
    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These and one more.
    #[must_use]
    pub fn with(mut self, key: VerifyingKey) -> Self {
        if !self.0.contains(&key) {
            self.0.push(key);
        }
        self
    }

    pub(crate) fn verify(&self, signature: &str, text: &SignedText) -> bool {
        let Ok(signature) = BASE64URL_NOPAD.decode(signature.as_bytes()) else {
            return false;
        };
        self.0.iter().any(|key| UnparsedPublicKey::new(&ED25519, key.0).verify(text.bytes(), &signature).is_ok())
    }
}

impl From<VerifyingKey> for VerifyingKeys {
    fn from(key: VerifyingKey) -> Self {
        Self(vec![key])
    }
}

impl FromStr for VerifyingKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| InvalidKey)?;
        bytes.try_into().map(Self).map_err(|_| InvalidKey)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

impl<'de> Deserialize<'de> for VerifyingKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for VerifyingKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeysVisitor)
    }
}

/// A visitor and no untagged enum, so that an error names the entry of the list.
struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = VerifyingKeys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a public key of gateways, or a list of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<VerifyingKeys, E> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(str::parse).collect::<Result<_, _>>().map(VerifyingKeys).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<VerifyingKeys, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(entries)).map(VerifyingKeys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_secret_makes_one_key_pair_which_never_shows_its_private_half() {
        let key = SigningKey::derived_from(b"0123456789abcdef0123456789abcdef");
        // Programs in other languages derive the same.
        assert_eq!(key.verifying_key().to_string(), "ISk5JxiMfP3dJFSbVgklB3LdSVLF0I0zIZk-RfdYQKI");
        assert_eq!(key.verifying_key().to_string().parse(), Ok(key.verifying_key()));
        let another = SigningKey::derived_from(b"1123456789abcdef0123456789abcdef");
        assert_ne!(another.verifying_key(), key.verifying_key());
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
        for wrong in ["", "hunter2", "ISk5JxiMfP3dJFSbVgklB3LdSVLF0I0zIZk-RfdYQK"] {
            assert_eq!(wrong.parse::<VerifyingKey>(), Err(InvalidKey), "{wrong}");
        }
    }

    #[test]
    fn the_keys_that_are_believed_are_a_list_or_a_text_with_commas() {
        let [new, old] = [b"new", b"old"].map(|secret| SigningKey::derived_from(secret).verifying_key());
        let both = VerifyingKeys::from(new).with(old).with(new);
        let parse = |json: String| serde_json::from_str::<VerifyingKeys>(&json);
        assert_eq!(parse(format!("[\"{new}\", \"{old}\"]")).unwrap(), both);
        assert_eq!(parse(format!("\"{new}, {old}\"")).unwrap(), both);
        assert!(parse("\"x\"".to_owned()).unwrap_err().to_string().contains("as `bellwire key` prints them"));
        let text = SignedText::of("a test");
        let signature = SigningKey::derived_from(b"old").sign(&text);
        assert!(both.verify(&signature, &text) && !VerifyingKeys::from(new).verify(&signature, &text));
        assert!(!both.verify(&signature, &SignedText::of("another")) && !both.verify("", &text));
        assert!(!VerifyingKeys::default().verify(&signature, &text));
    }
}
