//! What the claims of a token must be, and how they are read: RFC 7519 as it is written.

use std::{fmt::Write, time::Duration};

use jiff::Timestamp;
use model::{Environment, audience::is_id};
use process::{ClaimNames, Texts};
use serde_json::{Map, Number, Value, json};

use super::{claims::Claims, error::TokenError, jwt::find, refusal_log::RefusalLog};

/// The audience in settings that stands for any.
const ANY: &str = "*";

const NOT_AN_ID: &str = "it must have 1 to 256 bytes and no white space";

/// How the claims of one issuer's tokens are read, and what they must be.
#[derive(Debug, Clone, Default)]
pub struct ClaimRules {
    /// What `iss` must be; not asked for.
    pub issuer: Option<String>,
    /// What the audience must hold, one of these; with none, or with `*`, it is not asked for.
    pub audience: Texts,
    /// The names of the claims.
    pub names: ClaimNames,
    /// How far the issuer's clock may differ.
    pub leeway: Duration,
    /// Stands before user ids and groups.
    pub prefix: String,
}

/// What a token says about an environment, before it is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belonging {
    /// It names this environment.
    Named,
    /// It names none, and its issuer and audience are those of this one.
    Implied,
    /// It names another, or is of another issuer or for another audience.
    Another,
}

impl ClaimRules {
    /// Whether a token with these claims is for an environment that has these rules.
    pub(super) fn belonging(&self, claims: &Map<String, Value>, environment: &Environment) -> Belonging {
        match self.named_environment(claims) {
            Some(Value::String(name)) if name == environment.as_str() => Belonging::Named,
            Some(_) => Belonging::Another,
            None if self.tells_environment() && self.check_origin(claims).is_ok() => Belonging::Implied,
            None => Belonging::Another,
        }
    }

    /// The claim that names the environment.
    pub(super) fn named_environment<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        self.names.environment.iter().find_map(|name| find(claims, name))
    }

    /// Returns true if issuer or audience tell an environment from others.
    fn tells_environment(&self) -> bool {
        self.issuer.is_some() || self.asks_audience()
    }

    fn asks_audience(&self) -> bool {
        !self.audience.is_empty() && !self.audience.contains(ANY)
    }

    /// Reads the claims of a token whose signature was verified, for an environment.
    pub(super) fn read(
        &self,
        claims: &Map<String, Value>,
        environment: &Environment,
        log: &RefusalLog,
    ) -> Result<Claims, TokenError> {
        let exp = self.end(claims)?;
        if let Some(begin) = number(claims, "nbf")?
            && seconds_of(begin) > now() + self.leeway.as_secs_f64()
        {
            return Err(TokenError::NotYetValid);
        }
        self.check_origin(claims)?;
        self.check_environment(claims, environment)?;
        let log = |claim: &str, entry: &str, reason| log.left_out(environment.as_str(), claim, entry, reason);
        Ok(Claims {
            sub: self.user(claims)?,
            env: environment.to_string(),
            groups: self.groups(claims, log)?,
            scope: self.scopes(claims, log)?,
            exp,
            iat: number(claims, "iat")?.map(whole_seconds),
            iss: claims.get("iss").and_then(Value::as_str).map(str::to_owned),
            aud: None,
        })
    }

    /// The claims as they are written into a token with these rules.
    pub(super) fn write(&self, claims: &Claims) -> Value {
        let mut written = Map::new();
        let mut put = |names: &Texts, value: Value| {
            if let Some(name) = names.first() {
                insert(&mut written, name, value);
            }
        };
        put(&self.names.user, json!(claims.sub));
        put(&self.names.environment, json!(claims.env));
        put(&self.names.groups, json!(claims.groups));
        put(&self.names.scopes, json!(claims.scope));
        if let Some(audience) = &claims.aud {
            put(&self.names.audience, json!(audience));
        }
        written.insert("exp".to_owned(), json!(claims.exp));
        let optional = [("iat", json!(claims.iat)), ("iss", json!(claims.iss))];
        for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_null()) {
            written.insert(name.to_owned(), value);
        }
        Value::Object(written)
    }

    /// Checks issuer and audience.
    pub(super) fn check_origin(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        if let Some(issuer) = &self.issuer {
            match find(claims, "iss") {
                None => return Err(TokenError::foreign("iss", "it is missing")),
                Some(Value::String(found)) if found == issuer => {}
                Some(found) => {
                    let reason = "it is not the issuer whose tokens are taken here";
                    return Err(TokenError::foreign("iss", reason).found(&format!("{found}, and not {issuer}")));
                }
            }
        }
        if !self.asks_audience() {
            return Ok(());
        }
        let found: Vec<&Value> = self.names.audience.iter().filter_map(|name| find(claims, name)).collect();
        let of_value = |value: &&Value| match value {
            Value::String(text) => self.audience.contains(text),
            Value::Array(entries) => entries.iter().filter_map(Value::as_str).any(|text| self.audience.contains(text)),
            _ => false,
        };
        if found.iter().any(of_value) {
            return Ok(());
        }
        let name = self.names.audience.first().unwrap_or("aud");
        match found.first() {
            None => Err(TokenError::foreign(name, "it is missing")),
            Some(found) => {
                let wanted: Vec<&str> = self.audience.iter().collect();
                let found = format!("{found}, and not {}", wanted.join(" or "));
                Err(TokenError::foreign(name, "it does not hold the audience of this environment").found(&found))
            }
        }
    }

    fn check_environment(&self, claims: &Map<String, Value>, environment: &Environment) -> Result<(), TokenError> {
        match self.named_environment(claims) {
            Some(Value::String(name)) if name == environment.as_str() => Ok(()),
            None if self.tells_environment() => Ok(()),
            None => Err(self.missing_environment()),
            Some(found) => Err(self.other_environment(found)),
        }
    }

    /// The refusal of a token that names no environment, where nothing else tells it.
    pub(super) fn missing_environment(&self) -> TokenError {
        let name = self.names.environment.first().unwrap_or("env");
        TokenError::malformed(name, "it is missing, and neither issuer nor audience tell the environment")
    }

    /// The refusal of a token that names another environment.
    pub(super) fn other_environment(&self, found: &Value) -> TokenError {
        let name = self.names.environment.first().unwrap_or("env");
        TokenError::foreign(name, "it names no environment that takes this token").found(&found.to_string())
    }

    fn end(&self, claims: &Map<String, Value>) -> Result<i64, TokenError> {
        let end = number(claims, "exp")?.ok_or_else(|| TokenError::malformed("exp", "it is missing"))?;
        let leeway = i64::try_from(self.leeway.as_secs()).unwrap_or(i64::MAX);
        let end = whole_seconds(end).saturating_add(leeway);
        // Within the last second a client that polls is still told why its connection ends.
        match end < Timestamp::now().as_second() {
            true => Err(TokenError::Expired),
            false => Ok(end),
        }
    }

    fn user(&self, claims: &Map<String, Value>) -> Result<String, TokenError> {
        let found = self.names.user.iter().find_map(|name| Some((name, find(claims, name)?)));
        let Some((name, value)) = found else {
            let name = self.names.user.first().unwrap_or("sub");
            return Err(TokenError::malformed(name, "it is missing, and names the user"));
        };
        let Value::String(user) = value else {
            return Err(TokenError::malformed(name, "it must be text").found(&value.to_string()));
        };
        let id = format!("{}{user}", self.prefix);
        match is_id(&id) {
            true => Ok(id),
            false => Err(TokenError::malformed(name, NOT_AN_ID).found(user)),
        }
    }

    fn groups(
        &self,
        claims: &Map<String, Value>,
        left_out: impl Fn(&str, &str, &'static str),
    ) -> Result<Vec<String>, TokenError> {
        let mut groups = Vec::new();
        for name in self.names.groups.iter() {
            // Microsoft Entra names a claim here whose value was too long for the token.
            if claims.get("_claim_names").and_then(|names| names.get(name)).is_some() {
                left_out(name, "all", "the issuer has left them out of the token, since there are too many");
            }
            let Some(value) = find(claims, name) else { continue };
            for entry in entries(value).ok_or_else(|| neither_text_nor_list(name, value))? {
                match entry.as_str().map(|group| format!("{}{group}", self.prefix)) {
                    Some(group) if is_id(&group) => groups.push(group),
                    Some(group) => left_out(name, &group, NOT_AN_ID),
                    None => left_out(name, &entry.to_string(), "it must be text"),
                }
            }
        }
        Ok(groups)
    }

    fn scopes(
        &self,
        claims: &Map<String, Value>,
        left_out: impl Fn(&str, &str, &'static str),
    ) -> Result<String, TokenError> {
        let mut scopes = String::new();
        let mut add = |scope: &str| {
            let space = if scopes.is_empty() { "" } else { " " };
            // Writing to a String does not fail.
            let _ = write!(scopes, "{space}{scope}");
        };
        for name in self.names.scopes.iter() {
            match find(claims, name) {
                None => {}
                Some(Value::String(text)) => text.split_whitespace().for_each(&mut add),
                Some(Value::Array(list)) => {
                    for entry in list {
                        match entry.as_str() {
                            Some(scope) if is_id(scope) => add(scope),
                            // A scope with a space would be read as two.
                            _ => left_out(name, &entry.to_string(), "it must be one scope, a text without white space"),
                        }
                    }
                }
                Some(value) => return Err(neither_text_nor_list(name, value)),
            }
        }
        Ok(scopes)
    }
}

/// The entries of a list; a text is a list of one.
fn entries(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(list) => Some(list),
        Value::String(_) => Some(std::slice::from_ref(value)),
        _ => None,
    }
}

fn neither_text_nor_list(name: &str, found: &Value) -> TokenError {
    TokenError::malformed(name, "it must be text or a list of texts").found(&found.to_string())
}

/// Puts a value where [`find`] finds it by this name.
fn insert(claims: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        // The name of a claim that is an address is no path.
        Some((outer, inner)) if !name.contains('/') => {
            let object = claims.entry(outer).or_insert_with(|| json!({}));
            if let Value::Object(object) = object {
                insert(object, inner, value);
            }
        }
        _ => drop(claims.insert(name.to_owned(), value)),
    }
}

/// A `NumericDate`; null is none.
fn number<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a Number>, TokenError> {
    match find(claims, name) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(Some(number)),
        Some(found) => Err(TokenError::malformed(name, "it must be a number of seconds").found(&found.to_string())),
    }
}

/// The whole seconds of a `NumericDate`, which may be a fraction or have an exponent, and be larger than any time.
fn whole_seconds(number: &Number) -> i64 {
    // A cast from a float saturates.
    number.as_i64().unwrap_or_else(|| seconds_of(number).floor() as i64)
}

fn seconds_of(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::MAX)
}

fn now() -> f64 {
    Timestamp::now().as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prod() -> Environment {
        "prod".parse().unwrap()
    }

    fn in_seconds(seconds: i64) -> i64 {
        Timestamp::now().as_second() + seconds
    }

    /// Reads claims, those of a good token with these changes.
    fn read(rules: &ClaimRules, changes: Value) -> Result<Claims, TokenError> {
        let mut claims = json!({ "sub": "ada", "env": "prod", "exp": in_seconds(600) });
        let claims = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            claims.insert(name.clone(), value.clone());
        }
        rules.read(claims, &prod(), &RefusalLog::default())
    }

    fn rules() -> ClaimRules {
        ClaimRules::default()
    }

    fn refused(rules: &ClaimRules, changes: Value) -> String {
        let error = read(rules, changes.clone()).expect_err(&changes.to_string());
        format!("{} {error}", error.code())
    }

    #[test]
    fn times_may_be_fractions_and_have_exponents_and_be_far_away() {
        let end = in_seconds(600);
        assert_eq!(read(&rules(), json!({ "exp": end as f64 + 0.75 })).unwrap().exp, end);
        let exponent: Value = serde_json::from_str("4.102444800e9").unwrap();
        assert_eq!(read(&rules(), json!({ "exp": exponent })).unwrap().exp, 4_102_444_800);
        for far in ["1e300", "18446744073709551615", "9223372036854775807"] {
            let far: Value = serde_json::from_str(far).unwrap();
            let claims = read(&rules(), json!({ "exp": far })).unwrap();
            assert_eq!((claims.exp, claims.expires()), (i64::MAX, Timestamp::MAX));
        }
        let fractions = json!({ "nbf": in_seconds(-1) as f64 + 0.5, "iat": 1_700_000_000.9 });
        assert_eq!(read(&rules(), fractions).unwrap().iat, Some(1_700_000_000));
        assert_eq!(read(&rules(), json!({ "nbf": null, "iat": null })).unwrap().iat, None);
        for (changes, code) in [
            (json!({ "exp": in_seconds(-5) as f64 + 0.25 }), "token-expired"),
            (json!({ "exp": -1e300 }), "token-expired"),
            (json!({ "nbf": in_seconds(30) as f64 + 0.5 }), "token-not-yet-valid"),
            (json!({ "nbf": 1e300 }), "token-not-yet-valid"),
        ] {
            assert!(refused(&rules(), changes).starts_with(code));
        }
        for name in ["exp", "nbf", "iat"] {
            let text = refused(&rules(), json!({ name: "4102444800" }));
            assert!(text.contains(&format!("{name}: it must be a number")), "{text}");
        }
        assert!(refused(&rules(), json!({ "exp": null })).contains("exp: it is missing"));
    }

    #[test]
    fn the_leeway_is_given_on_both_ends_and_is_part_of_the_end() {
        let rules = ClaimRules { leeway: Duration::from_secs(60), ..rules() };
        let late = in_seconds(-30);
        assert_eq!(read(&rules, json!({ "exp": late })).unwrap().exp, late + 60);
        assert!(read(&rules, json!({ "nbf": in_seconds(30) })).is_ok());
        assert!(refused(&rules, json!({ "exp": in_seconds(-61) })).starts_with("token-expired"));
        assert!(refused(&rules, json!({ "nbf": in_seconds(90) })).starts_with("token-not-yet-valid"));
    }

    #[test]
    fn groups_are_text_or_null_or_a_list_and_what_is_no_id_of_ours_is_left_out() {
        let groups = |value: Value| read(&rules(), json!({ "groups": value })).unwrap().groups;
        assert_eq!(groups(json!("ops")), ["ops"]);
        assert!(groups(Value::Null).is_empty() && groups(json!([])).is_empty() && groups(json!("")).is_empty());
        let mixed = json!(["ops", "Domain Users", "", null, 7, { "name": "x" }, "x".repeat(257), "/team/a"]);
        assert_eq!(groups(mixed), ["ops", "/team/a"]);
        for wrong in [json!({ "a": 1 }), json!(7), json!(true)] {
            let text = refused(&rules(), json!({ "groups": wrong }));
            assert!(
                text.starts_with("token-malformed") && text.contains("groups: it must be text or a list"),
                "{text}"
            );
        }
    }

    #[test]
    fn scopes_are_text_or_a_list_and_those_of_all_claims_count() {
        let scope = |changes: Value| read(&rules(), changes).unwrap().scope;
        assert_eq!(scope(json!({ "scope": " tasks  publish " })), "tasks publish");
        assert_eq!(scope(json!({ "scope": ["tasks", "publish"] })), "tasks publish");
        assert_eq!(scope(json!({ "scope": "openid", "scp": ["tasks"] })), "openid tasks");
        assert_eq!(scope(json!({ "scope": ["tasks publish:everywhere", "publish", 7] })), "publish", "one is one");
        assert_eq!(scope(json!({ "scope": null })), "");
        assert!(refused(&rules(), json!({ "scope": { "a": 1 } })).contains("scope: it must be text or a list"));
    }

    #[test]
    fn an_audience_is_text_or_a_list_and_each_refusal_names_its_claim() {
        let rules = ClaimRules {
            issuer: Some("https://login".to_owned()),
            audience: Texts::of(&["bellwire", "api://bellwire"]),
            ..rules()
        };
        for audience in [json!("bellwire"), json!(["x", "api://bellwire"])] {
            assert!(read(&rules, json!({ "iss": "https://login", "aud": audience })).is_ok());
        }
        for (changes, words) in [
            (json!({ "aud": "bellwire" }), "iss: it is missing"),
            (json!({ "iss": "https://login/", "aud": "bellwire" }), "iss: it is not the issuer"),
            (json!({ "iss": ["https://login"], "aud": "bellwire" }), "iss: it is not the issuer"),
            (json!({ "iss": "https://login" }), "aud: it is missing"),
            (json!({ "iss": "https://login", "aud": "another" }), "aud: it does not hold"),
            (json!({ "iss": "https://login", "aud": [] }), "aud: it does not hold"),
            (json!({ "iss": "https://login", "aud": { "bellwire": 1 } }), "aud: it does not hold"),
        ] {
            let text = refused(&rules, changes);
            assert!(text.starts_with("token-foreign") && text.contains(words), "{text}");
            assert!(
                !text.contains("https://login") && !text.contains("api://"),
                "the client is told no setting: {text}"
            );
        }
        let found = read(&rules, json!({ "iss": "https://evil" })).unwrap_err();
        assert_eq!(found.fault().unwrap().found.as_deref(), Some("\"https://evil\", and not https://login"));
        let any = ClaimRules { audience: Texts::of(&["*"]), ..self::rules() };
        assert!(read(&any, json!({ "aud": "whatever" })).is_ok() && read(&any, json!({})).is_ok());
        let cognito = ClaimNames { audience: Texts::of(&["client_id", "aud"]), ..ClaimNames::default() };
        let cognito = ClaimRules { audience: Texts::of(&["app"]), names: cognito, ..self::rules() };
        assert!(read(&cognito, json!({ "client_id": "app" })).is_ok());
    }

    #[test]
    fn claims_have_the_names_that_the_settings_give() {
        let names = ClaimNames {
            user: Texts::of(&["oid", "preferred_username"]),
            environment: Texts::of(&["ext.stage"]),
            groups: Texts::of(&["cognito:groups", "realm_access.roles", "https://x.example/roles"]),
            scopes: Texts::of(&["permissions"]),
            audience: Texts::of(&["aud"]),
        };
        let rules = ClaimRules { names, prefix: "acme:".to_owned(), ..rules() };
        let claims = read(
            &rules,
            json!({
                "env": "ignored",
                "ext": { "stage": "prod" },
                "preferred_username": "ada",
                "cognito:groups": ["a"],
                "realm_access": { "roles": ["b"] },
                "https://x.example/roles": "c",
                "groups": ["no"],
                "permissions": ["tasks"],
                "scope": "publish",
            }),
        )
        .unwrap();
        assert_eq!((claims.sub.as_str(), claims.scope.as_str()), ("acme:ada", "tasks"));
        assert_eq!(claims.groups, ["acme:a", "acme:b", "acme:c"]);
        let text = refused(&rules, json!({ "ext": { "stage": "prod" } }));
        assert!(text.contains("oid: it is missing, and names the user"), "{text}");
    }

    #[test]
    fn what_is_written_under_other_names_reads_back() {
        let names = ClaimNames {
            user: Texts::of(&["https://x.example/user"]),
            groups: Texts::of(&["realm_access.roles"]),
            ..ClaimNames::default()
        };
        let rules = ClaimRules { names, ..rules() };
        let claims = read(&ClaimRules::default(), json!({ "groups": ["ops"], "scope": "tasks", "iat": 7 })).unwrap();
        let written = rules.write(&claims);
        assert_eq!(rules.read(written.as_object().unwrap(), &prod(), &RefusalLog::default()), Ok(claims));
    }

    #[test]
    fn the_user_must_be_an_id_of_ours() {
        for (user, words) in [
            (json!(7), "sub: it must be text"),
            (json!("ada group:ops"), "sub: it must have 1 to 256 bytes"),
            (json!(""), "sub: it must have 1 to 256 bytes"),
            (json!(null), "sub: it is missing"),
        ] {
            let text = refused(&rules(), json!({ "sub": user }));
            assert!(text.starts_with("token-malformed") && text.contains(words), "{text}");
        }
    }

    #[test]
    fn the_environment_follows_from_issuer_or_audience_where_the_token_names_none() {
        let claims = json!({ "iss": "https://login", "aud": "bellwire-prod" });
        let claims = claims.as_object().unwrap();
        let belongs = |rules: &ClaimRules| rules.belonging(claims, &prod());
        assert_eq!(belongs(&rules()), Belonging::Another, "nothing tells it");
        let of = |issuer: Option<&str>, audience: &[&str]| ClaimRules {
            issuer: issuer.map(str::to_owned),
            audience: Texts::of(audience),
            ..rules()
        };
        assert_eq!(belongs(&of(None, &["bellwire-prod"])), Belonging::Implied);
        assert_eq!(belongs(&of(None, &["bellwire-test"])), Belonging::Another);
        assert_eq!(belongs(&of(Some("https://login"), &["*"])), Belonging::Implied);
        assert_eq!(belongs(&of(None, &["*"])), Belonging::Another);
        let named = json!({ "env": "test", "iss": "https://login", "aud": "bellwire-prod" });
        assert_eq!(of(None, &["bellwire-prod"]).belonging(named.as_object().unwrap(), &prod()), Belonging::Another);
        let text = refused(&rules(), json!({ "env": null }));
        assert!(text.starts_with("token-malformed env") || text.contains("env: it is missing"), "{text}");
    }
}
