//! A public key of an identity provider, from a JWK (RFC 7517), and the algorithms that it serves. They are fixed by the key
//! and never by a token; no public key is ever a secret of HMAC.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{
    Algorithm,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::Value;

/// The fewest bytes of an RSA modulus: 2048 bits.
const MIN_MODULUS_BYTES: usize = 256;

/// A key that verifies signatures.
#[derive(Debug)]
pub(super) struct PublicKey {
    /// Its `kid`.
    pub(super) id: Option<String>,
    algorithms: Vec<Algorithm>,
    numbers: Numbers,
}

#[derive(Debug)]
enum Numbers {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// The point of a curve as ring takes it, and the only algorithm that it serves.
    Curve {
        point: Vec<u8>,
        algorithm: Algorithm,
    },
}

/// The algorithm of this name, if it is one of a public key.
pub(super) fn public_key_algorithm(name: &str) -> Option<Algorithm> {
    // RFC 9864 names EdDSA over Ed25519 by its curve.
    let algorithm = if name == "Ed25519" { Algorithm::EdDSA } else { name.parse().ok()? };
    (!matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)).then_some(algorithm)
}

impl PublicKey {
    /// Reads a JWK. `wanted` are the algorithms that the settings allow; none are those of the keys. The error says why it
    /// verifies no signature here.
    pub(super) fn read(jwk: &Value, wanted: &[Algorithm]) -> Result<Self, String> {
        let said = jwk.get("alg").and_then(Value::as_str);
        let jwk = Jwk::deserialize(jwk).map_err(|error| error.to_string())?;
        if jwk.common.public_key_use.is_some_and(|usage| usage != PublicKeyUse::Signature) {
            return Err("its `use` is not sig".to_owned());
        }
        if jwk.common.key_operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return Err("its `key_ops` do not hold verify".to_owned());
        }
        let said = said.map(|name| public_key_algorithm(name).ok_or(format!("its `alg` is {name}"))).transpose()?;
        let numbers = Numbers::read(&jwk.algorithm)?;
        let mut algorithms = match (&numbers, said) {
            (numbers, Some(said)) if numbers.serve(said) => vec![said],
            (_, Some(said)) => return Err(format!("its `alg` is {said:?}, and its numbers are of another kind")),
            // Which of them it is for only the settings can say; OpenID Connect makes RS256 the default.
            (Numbers::Rsa { .. }, None) if wanted.is_empty() => vec![Algorithm::RS256],
            (Numbers::Rsa { .. }, None) => {
                wanted.iter().copied().filter(|algorithm| numbers.serve(*algorithm)).collect()
            }
            (Numbers::Curve { algorithm, .. }, None) => vec![*algorithm],
        };
        algorithms.retain(|algorithm| wanted.is_empty() || wanted.contains(algorithm));
        match algorithms.is_empty() {
            true => Err("its algorithm is none of those in the settings".to_owned()),
            false => Ok(Self { id: jwk.common.key_id, algorithms, numbers }),
        }
    }

    /// Returns true if it serves this algorithm.
    pub(super) fn serves(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Returns true if this is the signature of these bytes by an algorithm that it serves.
    pub(super) fn verify(&self, algorithm: Algorithm, bytes: &[u8], signature: &[u8]) -> bool {
        if !self.serves(algorithm) {
            return false;
        }
        let verified = match &self.numbers {
            Numbers::Rsa { modulus, exponent } => match rsa(algorithm) {
                Some(parameters) => {
                    RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, bytes, signature)
                }
                None => return false,
            },
            Numbers::Curve { point, algorithm } => match curve(*algorithm) {
                Some(curve) => UnparsedPublicKey::new(curve, point).verify(bytes, signature),
                None => return false,
            },
        };
        verified.is_ok()
    }
}

impl Numbers {
    fn read(parameters: &AlgorithmParameters) -> Result<Self, String> {
        match parameters {
            AlgorithmParameters::RSA(rsa) => {
                // Some providers write a sign byte before the number.
                let number =
                    |text: &str| decode(text).map(|bytes| bytes.into_iter().skip_while(|byte| *byte == 0).collect());
                let (modulus, exponent): (Vec<u8>, Vec<u8>) = (number(&rsa.n)?, number(&rsa.e)?);
                match modulus.len() < MIN_MODULUS_BYTES {
                    true => Err(format!("it is an RSA key of {} bits, and 2048 are the least", modulus.len() * 8)),
                    false => Ok(Self::Rsa { modulus, exponent }),
                }
            }
            AlgorithmParameters::EllipticCurve(key) => {
                let (algorithm, bytes) = match key.curve {
                    EllipticCurve::P256 => (Algorithm::ES256, 32),
                    EllipticCurve::P384 => (Algorithm::ES384, 48),
                    _ => return Err("its curve is neither P-256 nor P-384".to_owned()),
                };
                let (x, y) = (decode(&key.x)?, decode(&key.y)?);
                if x.len() != bytes || y.len() != bytes {
                    return Err(format!("its x and y must have {bytes} bytes"));
                }
                Ok(Self::Curve { point: [&[4], &x[..], &y[..]].concat(), algorithm })
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Ok(Self::Curve { point: decode(&key.x)?, algorithm: Algorithm::EdDSA })
            }
            AlgorithmParameters::OctetKeyPair(_) => Err("its curve is not Ed25519".to_owned()),
            AlgorithmParameters::OctetKey(_) => Err("it is a shared secret, which no public list may hold".to_owned()),
            _ => Err("its `kty` is none of RSA, EC and OKP".to_owned()),
        }
    }

    fn serve(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa { .. } => rsa(algorithm).is_some(),
            Self::Curve { algorithm: own, .. } => *own == algorithm,
        }
    }
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    BASE64URL_NOPAD
        .decode(text.trim_end_matches('=').as_bytes())
        .map_err(|_| "a number in it is not base64url".to_owned())
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::RS256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Some(&RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Some(&RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Some(&RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

fn curve(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    match algorithm {
        Algorithm::ES256 => Some(&ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Some(&ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Some(&ED25519),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7515, appendix A.2 and A.3: a key, and a text with its signature.
    const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    const RSA_TEXT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const RSA_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    const EC_TEXT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const EC_SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn rsa_key() -> Value {
        json!({ "kty": "RSA", "n": RSA_N, "e": "AQAB", "kid": "one" })
    }

    fn ec_key() -> Value {
        json!({
            "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        })
    }

    fn with(mut key: Value, changes: Value) -> Value {
        for (name, value) in changes.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    fn is_verified(key: &PublicKey, algorithm: Algorithm, text: &str, signature: &str) -> bool {
        key.verify(algorithm, text.as_bytes(), &BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap())
    }

    #[test]
    fn the_signatures_of_the_specifications_are_verified() {
        let rsa = PublicKey::read(&rsa_key(), &[]).unwrap();
        assert!(is_verified(&rsa, Algorithm::RS256, RSA_TEXT, RSA_SIGNATURE));
        assert!(!is_verified(&rsa, Algorithm::RS256, EC_TEXT, RSA_SIGNATURE));
        let ec = PublicKey::read(&ec_key(), &[]).unwrap();
        assert!(is_verified(&ec, Algorithm::ES256, EC_TEXT, EC_SIGNATURE));
        assert!(!is_verified(&ec, Algorithm::ES256, RSA_TEXT, EC_SIGNATURE));
        // RFC 8037, appendix A.4.
        let ed = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "alg": "EdDSA" });
        let ed = PublicKey::read(&ed, &[]).unwrap();
        let text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert!(is_verified(&ed, Algorithm::EdDSA, text, signature));
    }

    #[test]
    fn the_key_and_the_settings_fix_the_algorithm_and_no_token_does() {
        let serves = |key: Value, wanted: &[Algorithm]| {
            let key = PublicKey::read(&key, wanted)?;
            Ok::<_, String>([Algorithm::RS256, Algorithm::RS512, Algorithm::PS256].map(|one| key.serves(one)))
        };
        assert_eq!(serves(rsa_key(), &[]), Ok([true, false, false]));
        assert_eq!(serves(rsa_key(), &[Algorithm::PS256, Algorithm::ES256]), Ok([false, false, true]));
        assert_eq!(serves(with(rsa_key(), json!({ "alg": "PS256" })), &[]), Ok([false, false, true]));
        assert_eq!(serves(with(rsa_key(), json!({ "alg": "PS256" })), &[Algorithm::PS256]), Ok([false, false, true]));
        assert!(serves(with(rsa_key(), json!({ "alg": "PS256" })), &[Algorithm::RS256]).is_err());
        let key = PublicKey::read(&with(rsa_key(), json!({ "alg": "PS256" })), &[]).unwrap();
        assert!(!is_verified(&key, Algorithm::RS256, RSA_TEXT, RSA_SIGNATURE), "a good signature of another algorithm");
        for hmac in ["HS256", "HS384", "HS512", "none"] {
            assert_eq!(public_key_algorithm(hmac), None);
        }
        assert_eq!(public_key_algorithm("Ed25519"), Some(Algorithm::EdDSA));
    }

    #[test]
    fn a_key_that_is_not_for_signatures_is_left_out_with_the_reason() {
        for (changes, words) in [
            (json!({ "use": "enc" }), "`use`"),
            (json!({ "key_ops": ["encrypt"] }), "`key_ops`"),
            (json!({ "alg": "RSA-OAEP" }), "`alg` is RSA-OAEP"),
            (json!({ "alg": "HS256" }), "`alg` is HS256"),
            (json!({ "alg": "ES256" }), "another kind"),
            (json!({ "n": "AQAB" }), "2048"),
            (json!({ "n": "!" }), "base64url"),
            (json!({ "kty": "oct", "k": "c2VjcmV0" }), "shared secret"),
            (json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" }), "curve"),
            (json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }), "32 bytes"),
        ] {
            let error = PublicKey::read(&with(rsa_key(), changes.clone()), &[]).expect_err(&changes.to_string());
            assert!(error.contains(words), "{changes}: {error}");
        }
        assert!(
            PublicKey::read(&with(rsa_key(), json!({ "use": "sig", "key_ops": ["verify"], "e": "AQAB==" })), &[])
                .is_ok()
        );
    }
}
