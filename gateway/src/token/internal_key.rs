//! The key of what the gateway gives to clients and reads back itself.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};

/// Signs what the gateway gives to clients and reads back itself. It is derived from an environment's key and is another,
/// so that no access token passes for something signed with it, nor the other way round.
#[derive(Clone)]
pub struct InternalKey {
    verify: DecodingKey,
    sign: EncodingKey,
}

impl InternalKey {
    pub(super) fn derived_from(key: &EncodingKey) -> Self {
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
