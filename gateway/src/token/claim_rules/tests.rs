//! What claims are taken, and what of others is told.

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
        assert!(text.starts_with("token-malformed") && text.contains("groups: it must be text or a list"), "{text}");
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
        assert!(!text.contains("https://login") && !text.contains("api://"), "the client is told no setting: {text}");
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
