//! Whose tokens an environment takes, and how they are read: parts of `[[environment]]`.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use crate::quantity;

/// The algorithms of signatures that are made with a private key and verified with a public one.
pub const PUBLIC_KEY_ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// One `[[environment.provider]]`: an identity provider whose tokens are taken.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderConfig {
    /// `…__PROVIDER__0__ISSUER`: what `iss` must be. Without `jwks_url` the keys are found by OpenID Connect Discovery. None.
    pub issuer: Option<String>,
    /// `…__PROVIDER__0__JWKS_URL`: where its keys are. What the issuer's discovery document names.
    pub jwks_url: Option<String>,
    /// `…__PROVIDER__0__AUDIENCE`: what `aud` must hold, one of these; `*` for tokens of any application. No default.
    pub audience: Texts,
    /// `…__PROVIDER__0__ALGORITHMS`: the algorithms that are taken, of [`PUBLIC_KEY_ALGORITHMS`]. What each key says, and
    /// RS256 for an RSA key that says nothing.
    pub algorithms: Texts,
    /// `…__PROVIDER__0__PREFIX`: stands before its user ids and groups, so that they are nobody else's. Empty.
    pub prefix: String,
    /// `…__PROVIDER__0__CLAIMS__USER` and so on: the names of its claims. Those of the environment.
    pub claims: Option<ClaimNames>,
    /// `…__PROVIDER__0__CA_FILE`: certificates in PEM that its server may show, besides the system's. None.
    pub ca_file: Option<PathBuf>,
    /// `…__PROVIDER__0__REFRESH`: how often its keys are read again. `10m`.
    #[serde(deserialize_with = "quantity::duration")]
    pub refresh: Duration,
    /// `…__PROVIDER__0__REFRESH_AT_SOONEST`: after which time they are read again when a token names an unknown one. `10s`.
    #[serde(deserialize_with = "quantity::duration")]
    pub refresh_at_soonest: Duration,
}

impl Default for ProviderConfig {
    fn default() -> Self {
        Self {
            issuer: None,
            jwks_url: None,
            audience: Texts::default(),
            algorithms: Texts::default(),
            prefix: String::new(),
            claims: None,
            ca_file: None,
            refresh: Duration::from_secs(600),
            refresh_at_soonest: Duration::from_secs(10),
        }
    }
}

/// `[environment.claims]`: the names of the claims, each a name or a list of names. A name with dots also leads into
/// objects: `realm_access.roles`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimNames {
    /// `…__CLAIMS__USER`: the user id; the first that is there counts. `sub`.
    pub user: Texts,
    /// `…__CLAIMS__ENVIRONMENT`: the environment; the first that is there counts. `env`.
    pub environment: Texts,
    /// `…__CLAIMS__GROUPS`: the groups, those of all together. `groups`.
    pub groups: Texts,
    /// `…__CLAIMS__SCOPES`: the scopes, those of all together. `scope` and `scp`.
    pub scopes: Texts,
    /// `…__CLAIMS__AUDIENCE`: what `audience` is compared with, all together. `aud`.
    pub audience: Texts,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            user: Texts::of(&["sub"]),
            environment: Texts::of(&["env"]),
            groups: Texts::of(&["groups"]),
            scopes: Texts::of(&["scope", "scp"]),
            audience: Texts::of(&["aud"]),
        }
    }
}

/// Texts; in settings a list, or a text with commas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts(Vec<String>);

impl Texts {
    /// These texts.
    pub fn of(texts: &[&str]) -> Self {
        Self(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The first.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if this is one of them.
    pub fn contains(&self, text: &str) -> bool {
        self.iter().any(|one| one == text)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

/// A visitor and no untagged enum, so that an error names the entry of the list.
struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Texts, E> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Ok(Texts(entries.map(str::to_owned).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<Texts, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(entries)).map(Texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_a_text_with_commas_or_a_list_and_the_rest_keeps_its_default() {
        let text = "user = 'oid, sub'\ngroups = ['roles', 'realm_access.roles']\nenvironment = []";
        let names: ClaimNames = toml::from_str(text).unwrap();
        assert_eq!(names.user, Texts::of(&["oid", "sub"]));
        assert_eq!(names.groups, Texts::of(&["roles", "realm_access.roles"]));
        assert!(names.environment.is_empty());
        assert_eq!(names.scopes, Texts::of(&["scope", "scp"]));
        assert!(toml::from_str::<ClaimNames>("user = 7").is_err());
        assert!(toml::from_str::<ClaimNames>("usr = 'sub'").is_err());
    }
}
