//! `[[environment]]`: the environments a process serves, and the keys of their tokens.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use model::Environment;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use signing::{SigningKey, Verifier, VerifyingKeys};

use crate::{
    config_error::ConfigError,
    quantity,
    settings::Settings,
    token_settings::{ClaimNames, PUBLIC_KEY_ALGORITHMS, ProviderConfig, Texts},
};

/// RFC 7518, 3.2: the key of HS256 has at least the size of its hash.
const MIN_KEY_BYTES: usize = 32;

/// One `[[environment]]`; `0` in a variable's name is its index in the list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentConfig {
    /// `BELLWIRE_ENVIRONMENT__0__NAME`. No default.
    pub name: Environment,
    /// `BELLWIRE_ENVIRONMENT__0__BACKPLANE_URL`: the broker as this environment's own user. `backplane.url`.
    backplane_url: Option<SecretString>,
    /// `BELLWIRE_ENVIRONMENT__0__HS256_SECRET`: the key of its tokens, at least 32 bytes. None.
    hs256_secret: Option<SecretString>,
    /// `BELLWIRE_ENVIRONMENT__0__HS256_SECRET_FILE`: a file with that key; one line end after it is cut off. None.
    hs256_secret_file: Option<PathBuf>,
    /// `BELLWIRE_ENVIRONMENT__0__GATEWAY_KEY`: the public keys of its gateways, which workers believe; see `bellwire key`.
    /// The one made from the secret.
    #[serde(default)]
    pub gateway_key: VerifyingKeys,
    /// `BELLWIRE_ENVIRONMENT__0__ACCEPT_UNSIGNED_UNTIL`: until then workers take jobs that no gateway has signed. None.
    accept_unsigned_until: Option<Timestamp>,
    /// `BELLWIRE_ENVIRONMENT__0__HS256_TOKENS`: whether tokens that are signed with the secret are taken. `true`.
    #[serde(default = "yes")]
    pub hs256_tokens: bool,
    /// `BELLWIRE_ENVIRONMENT__0__JWKS_URL`: the public keys of an identity provider whose tokens are taken; it is a provider
    /// with this `issuer` and `audience`, and all else by default. None.
    jwks_url: Option<String>,
    /// `BELLWIRE_ENVIRONMENT__0__ISSUER`: what `iss` in a token must be. Not asked for.
    pub issuer: Option<String>,
    /// `BELLWIRE_ENVIRONMENT__0__AUDIENCE`: what `aud` in a token must hold. Not asked for.
    pub audience: Option<String>,
    /// `BELLWIRE_ENVIRONMENT__0__LEEWAY`: how far the clocks of those who issue tokens may differ from ours. `30s`.
    #[serde(default = "leeway", deserialize_with = "quantity::duration")]
    pub leeway: Duration,
    /// `BELLWIRE_ENVIRONMENT__0__CLAIMS__USER` and so on: the names of the claims.
    #[serde(default)]
    pub claims: ClaimNames,
    /// `BELLWIRE_ENVIRONMENT__0__PROVIDER__0__ISSUER` and so on: identity providers whose tokens are taken. None.
    #[serde(default)]
    provider: Vec<ProviderConfig>,
}

fn yes() -> bool {
    true
}

fn leeway() -> Duration {
    Duration::from_secs(30)
}

/// All environments that are configured, each name once.
#[derive(Debug, Clone)]
pub struct Environments(Vec<EnvironmentConfig>);

impl Environments {
    /// Reads them; keys are not checked, so a worker needs none.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let all: Vec<EnvironmentConfig> = settings.list("environment")?;
        let mut names = BTreeSet::new();
        for (index, environment) in all.iter().enumerate() {
            if !names.insert(&environment.name) {
                let reason = format!("{} is there twice", environment.name);
                return Err(settings.invalid(&format!("environment[{index}].name"), reason));
            }
        }
        if all.is_empty() {
            return Err(settings.invalid("environment[0].name", "name the environment to serve; there is none"));
        }
        Ok(Self(all))
    }

    /// All of them, in the order of the file.
    pub fn all(&self) -> &[EnvironmentConfig] {
        &self.0
    }

    /// The environment of a worker: the named one, or the only one.
    pub fn select(&self, name: Option<&Environment>) -> Result<&EnvironmentConfig, ConfigError> {
        let found = match (name, self.0.as_slice()) {
            (Some(name), all) => all.iter().find(|environment| environment.name == *name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        found.ok_or_else(|| {
            let names: Vec<&str> = self.0.iter().map(|environment| environment.name.as_str()).collect();
            let names = names.join(", ");
            let reason = match name {
                Some(name) => format!("{name} is not among those configured ({names})"),
                None => format!("choose one of {names}"),
            };
            ConfigError::source("--environment", reason)
        })
    }

    /// The section `[backplane]` for an environment, with the environment's own address if it has one.
    pub fn backplane<C: DeserializeOwned>(&self, settings: &Settings, name: &Environment) -> Result<C, ConfigError> {
        match &self.select(Some(name))?.backplane_url {
            Some(url) => settings.section_with("backplane", "url", url.expose_secret()),
            None => settings.section("backplane"),
        }
    }

    /// What a worker of an environment verifies jobs and answers with. It needs no secret where it has the gateways' key.
    pub fn verifier(&self, settings: &Settings, name: &Environment) -> Result<Verifier, ConfigError> {
        let environment = self.select(Some(name))?;
        let has_secret = environment.hs256_secret.is_some() || environment.hs256_secret_file.is_some();
        let keys = match environment.gateway_key.is_empty() {
            false => environment.gateway_key.clone(),
            true if has_secret => {
                SigningKey::derived_from(self.key(settings, name)?.expose_secret()).verifying_key().into()
            }
            true => {
                let reason = format!(
                    "a worker of {name} needs the public key of its gateways; `bellwire key --environment {name}` prints it \
                     where the secret is"
                );
                return Err(settings.invalid(&self.path(name, "gateway_key"), reason));
            }
        };
        Ok(Verifier::new(name.clone(), keys).accept_unsigned_until(environment.accept_unsigned_until))
    }

    fn path(&self, name: &Environment, field: &str) -> String {
        let index = self.0.iter().position(|environment| environment.name == *name).unwrap_or_default();
        format!("environment[{index}].{field}")
    }

    /// The identity providers whose tokens an environment takes.
    pub fn providers(&self, settings: &Settings, name: &Environment) -> Result<Vec<ProviderConfig>, ConfigError> {
        let environment = self.select(Some(name))?;
        let own = environment.jwks_url.as_ref().map(|url| ProviderConfig {
            issuer: environment.issuer.clone(),
            jwks_url: Some(url.clone()),
            audience: environment.audience.as_deref().map(|audience| Texts::of(&[audience])).unwrap_or_default(),
            ..ProviderConfig::default()
        });
        let mut checked = Vec::new();
        if let Some(provider) = own {
            check_provider(&provider).map_err(|(field, reason)| settings.invalid(&self.path(name, field), reason))?;
            checked.push(provider);
        }
        for (index, provider) in environment.provider.iter().enumerate() {
            check_provider(provider).map_err(|(field, reason)| {
                settings.invalid(&self.path(name, &format!("provider[{index}].{field}")), reason)
            })?;
            checked.push(provider.clone());
        }
        Ok(checked)
    }

    /// The key that signs and verifies an environment's tokens.
    pub fn key(&self, settings: &Settings, name: &Environment) -> Result<SecretSlice<u8>, ConfigError> {
        let environment = self.select(Some(name))?;
        let path = |field: &str| self.path(name, field);
        let (field, key) = match (&environment.hs256_secret, &environment.hs256_secret_file) {
            (Some(_), Some(_)) => {
                return Err(settings
                    .invalid(&path("hs256_secret"), "it is set together with hs256_secret_file; set one of them"));
            }
            (Some(secret), None) => ("hs256_secret", secret.expose_secret().as_bytes().to_vec().into()),
            (None, Some(file)) => {
                let key = read_key(file).map_err(|error| settings.invalid(&path("hs256_secret_file"), error))?;
                ("hs256_secret_file", key)
            }
            (None, None) => {
                let reason = format!(
                    "{name} has no key; set hs256_secret or hs256_secret_file, beside an identity provider as well: gateways \
                     sign jobs with it"
                );
                return Err(settings.invalid(&path("hs256_secret"), reason));
            }
        };
        let length = key.expose_secret().len();
        if length < MIN_KEY_BYTES {
            let reason = format!("the key has {length} bytes; it needs at least {MIN_KEY_BYTES}");
            return Err(settings.invalid(&path(field), reason));
        }
        Ok(key)
    }
}

/// The field of a provider that is wrong, and why.
fn check_provider(provider: &ProviderConfig) -> Result<(), (&'static str, String)> {
    if provider.issuer.is_none() && provider.jwks_url.is_none() {
        return Err(("issuer", "set it, or jwks_url, or both".to_owned()));
    }
    if provider.audience.is_empty() {
        let reason = "it has no default: a provider issues tokens for other applications too, and without it they would \
                      all be taken; name yours, or \"*\" to take them";
        return Err(("audience", reason.to_owned()));
    }
    if let Some(unknown) = provider.algorithms.iter().find(|name| !PUBLIC_KEY_ALGORITHMS.contains(name)) {
        let reason = format!("{unknown:?} is none of {}", PUBLIC_KEY_ALGORITHMS.join(", "));
        return Err(("algorithms", reason));
    }
    Ok(())
}

fn read_key(file: &Path) -> Result<SecretSlice<u8>, String> {
    let bytes = fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let key = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Ok(key.strip_suffix(b"\r").unwrap_or(key).to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Layers;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn settings(flags: &[(&str, &str)]) -> Settings {
        let flags = flags.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
        Settings::read(Layers { flags, ..Layers::default() }).unwrap()
    }

    fn key(flags: &[(&str, &str)]) -> Result<SecretSlice<u8>, String> {
        let settings = settings(&[&[("environment.0.name", "prod")], flags].concat());
        let environments = Environments::read(&settings).map_err(|error| error.to_string())?;
        environments.key(&settings, &"prod".parse().unwrap()).map_err(|error| error.to_string())
    }

    fn refused(flags: &[(&str, &str)]) -> String {
        Environments::read(&settings(flags)).unwrap_err().to_string()
    }

    #[test]
    fn a_name_is_needed_valid_and_there_once() {
        assert!(refused(&[]).starts_with("environment[0].name (BELLWIRE_ENVIRONMENT__0__NAME): "));
        let error = refused(&[("environment.0.name", "Prod!")]);
        assert!(error.starts_with("environment[0].name (BELLWIRE_ENVIRONMENT__0__NAME): "), "{error}");
        assert!(error.contains("Prod!"), "{error}");
        let error = refused(&[("environment.0.name", "qa"), ("environment.1.name", "qa")]);
        assert!(error.starts_with("environment[1].name") && error.contains("qa is there twice"), "{error}");
        let error = refused(&[("environment.0.issuer", "x")]);
        assert!(error.starts_with("environment[0].name (BELLWIRE_ENVIRONMENT__0__NAME): it has no default"), "{error}");
        let error = refused(&[("environment.1.name", "qa")]);
        assert!(error.starts_with("environment[0] (BELLWIRE_ENVIRONMENT__0): "), "{error}");
    }

    #[test]
    fn a_worker_serves_the_chosen_environment_or_the_only_one() {
        let one = Environments::read(&settings(&[("environment.0.name", "qa")])).unwrap();
        assert_eq!(one.select(None).unwrap().name.as_str(), "qa");
        let two = settings(&[("environment.0.name", "qa"), ("environment.1.name", "prod")]);
        let two = Environments::read(&two).unwrap();
        assert_eq!(two.select(Some(&"prod".parse().unwrap())).unwrap().name.as_str(), "prod");
        assert_eq!(two.select(None).unwrap_err().to_string(), "--environment: choose one of qa, prod");
        assert!(two.select(Some(&"dev".parse().unwrap())).unwrap_err().to_string().contains("dev is not among"));
    }

    #[test]
    fn an_environment_may_have_a_broker_user_of_its_own() {
        let settings = settings(&[
            ("backplane.url", "amqp://all@broker"),
            ("environment.0.name", "qa"),
            ("environment.1.name", "prod"),
            ("environment.1.backplane_url", "amqp://prod@broker"),
        ]);
        let environments = Environments::read(&settings).unwrap();
        #[derive(Deserialize)]
        struct Backplane {
            url: String,
        }
        let url = |name: &str| environments.backplane::<Backplane>(&settings, &name.parse().unwrap()).unwrap().url;
        assert_eq!((url("qa"), url("prod")), ("amqp://all@broker".to_owned(), "amqp://prod@broker".to_owned()));
    }

    #[test]
    fn a_key_comes_from_the_setting_or_its_file_and_is_long_enough() {
        assert_eq!(key(&[("environment.0.hs256_secret", KEY)]).unwrap().expose_secret(), KEY.as_bytes());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prod.key");
        std::fs::write(&file, format!("{KEY}\r\n")).unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(key(&[("environment.0.hs256_secret_file", file)]).unwrap().expose_secret(), KEY.as_bytes());

        let short = key(&[("environment.0.hs256_secret", "hunter2")]).unwrap_err();
        assert!(short.contains("the key has 7 bytes; it needs at least 32") && !short.contains("hunter2"), "{short}");
        let both = [("environment.0.hs256_secret", KEY), ("environment.0.hs256_secret_file", file)];
        assert!(key(&both).unwrap_err().contains("set one of them"));
        let none = key(&[]).unwrap_err();
        assert!(none.starts_with("environment[0].hs256_secret (") && none.contains("prod has no key"), "{none}");
        let gone = key(&[("environment.0.hs256_secret_file", "/nowhere.key")]).unwrap_err();
        assert!(gone.starts_with("environment[0].hs256_secret_file (") && gone.contains("/nowhere.key"), "{gone}");
        let public = key(&[("environment.0.jwks_url", "https://x")]).unwrap_err();
        assert!(public.contains("beside an identity provider as well"), "{public}");
    }

    #[test]
    fn an_identity_provider_has_keys_and_an_audience_and_its_faults_are_named() {
        let providers = |flags: &[(&str, &str)]| {
            let settings = settings(&[&[("environment.0.name", "prod")], flags].concat());
            let environments = Environments::read(&settings).map_err(|error| error.to_string())?;
            environments.providers(&settings, &"prod".parse().unwrap()).map_err(|error| error.to_string())
        };
        assert!(
            providers(&[("environment.0.issuer", "https://a")]).unwrap().is_empty(),
            "for the secret's tokens alone"
        );
        let both = providers(&[
            ("environment.0.jwks_url", "https://a/keys"),
            ("environment.0.issuer", "https://a"),
            ("environment.0.audience", "bellwire"),
            ("environment.0.provider.0.issuer", "https://b"),
            ("environment.0.provider.0.audience", "one,two"),
            ("environment.0.provider.0.claims.groups", "realm_access.roles"),
            ("environment.0.provider.0.refresh", "1m"),
        ])
        .unwrap();
        assert_eq!((both[0].issuer.as_deref(), both[1].issuer.as_deref()), (Some("https://a"), Some("https://b")));
        assert!(both[0].audience.contains("bellwire") && both[1].audience.contains("two"));
        assert_eq!(both[1].refresh, Duration::from_secs(60));
        assert_eq!(both[1].claims.as_ref().unwrap().groups.first(), Some("realm_access.roles"));
        for (flags, path, words) in [
            (
                &[("environment.0.provider.0.issuer", "https://b")][..],
                "environment[0].provider[0].audience",
                "no default",
            ),
            (&[("environment.0.jwks_url", "https://b")], "environment[0].audience", "no default"),
            (&[("environment.0.provider.0.audience", "x")], "environment[0].provider[0].issuer", "jwks_url"),
            (
                &[
                    ("environment.0.provider.0.issuer", "https://b"),
                    ("environment.0.provider.0.audience", "x"),
                    ("environment.0.provider.0.algorithms", "RS256,HS256"),
                ],
                "environment[0].provider[0].algorithms",
                "\"HS256\" is none of",
            ),
        ] {
            let error = providers(flags).unwrap_err();
            assert!(error.starts_with(path) && error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_worker_believes_the_gateways_whose_public_key_it_has_or_whose_secret() {
        let verifier = |flags: &[(&str, &str)]| {
            let settings = settings(&[&[("environment.0.name", "prod")], flags].concat());
            let environments = Environments::read(&settings).map_err(|error| error.to_string())?;
            environments.verifier(&settings, &"prod".parse().unwrap()).map_err(|error| error.to_string())
        };
        let [new, old] =
            [KEY, "the secret that was before, long enough"].map(|key| SigningKey::derived_from(key.as_bytes()));
        let kind: model::Kind = "imports".parse().unwrap();
        let job = model::Job::new(model::TaskId::new(), kind, "ada", "A job", Default::default());
        let is_believed = |verifier: &Verifier, key: &SigningKey| {
            verifier.check_job(&key.grant(&"prod".parse().unwrap(), job.clone())).is_ok()
        };
        let shared = verifier(&[("environment.0.hs256_secret", KEY)]).unwrap();
        assert!(is_believed(&shared, &new) && !is_believed(&shared, &old));
        let public = new.verifying_key().to_string();
        // A file of secrets that only the gateway's container has is not read.
        let flags = [("environment.0.gateway_key", &*public), ("environment.0.hs256_secret_file", "/nowhere.key")];
        assert!(is_believed(&verifier(&flags).unwrap(), &new));
        let both = format!("{public},{}", old.verifying_key());
        let rolling = verifier(&[("environment.0.gateway_key", &both)]).unwrap();
        assert!(is_believed(&rolling, &new) && is_believed(&rolling, &old) && rolling.check_job(&job).is_err());
        let later =
            [("environment.0.gateway_key", &*public), ("environment.0.accept_unsigned_until", "2999-01-01T00:00:00Z")];
        assert_eq!(verifier(&later).unwrap().check_job(&job), Ok(()));

        let none = verifier(&[]).unwrap_err();
        assert!(none.starts_with("environment[0].gateway_key (BELLWIRE_ENVIRONMENT__0__GATEWAY_KEY): "), "{none}");
        assert!(none.contains("bellwire key --environment prod"), "{none}");
        let wrong = verifier(&[("environment.0.gateway_key", "hunter2")]).unwrap_err();
        assert!(wrong.contains("GATEWAY_KEY") && wrong.contains("no public key of gateways"), "{wrong}");
    }

    #[test]
    fn no_key_is_shown_by_debug() {
        let settings = settings(&[("environment.0.name", "qa"), ("environment.0.hs256_secret", KEY)]);
        assert!(!format!("{:?}", Environments::read(&settings).unwrap()).contains(KEY));
    }
}
