//! Tokens as others write them: what RFC 7519 allows is taken, what is not is refused by the claim that is wrong.

use jiff::Timestamp;
use process::{ClaimNames, Texts};
use reqwest::Client;
use scenarios::{
    Cluster, EventStream,
    cluster::{ALL, answer, event, token_of},
    over_both_backplanes,
};
use serde_json::{Value, json};

over_both_backplanes! {
    a_token_in_the_query_may_be_percent_encoded_and_is_not_hidden_by_a_proxys_authorization,
    a_group_that_is_no_id_costs_its_holder_that_group_alone,
    times_and_lists_are_taken_as_the_specification_writes_them,
    every_refusal_names_the_claim_and_no_setting,
    the_claims_have_the_names_that_an_environment_gives_them,
    the_environment_follows_from_the_audience_where_a_token_names_none,
}

fn soon() -> i64 {
    Timestamp::now().as_second() + 600
}

fn hs256(environment: &str, claims: &Value) -> String {
    token_of(environment, &json!({ "alg": "HS256", "typ": "JWT" }), &claims.to_string())
}

async fn a_token_in_the_query_may_be_percent_encoded_and_is_not_hidden_by_a_proxys_authorization(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let encoded = token.replace('.', "%2E").replace('-', "%2d").replace('_', "%5F");
    let get = |query: &str| Client::new().get(format!("{}/api/tasks?{query}", pod.url));
    let in_query = |token: &str| format!("access_token={token}");
    assert_eq!(answer(get(&in_query(&encoded))).await.0, 200);
    for scheme in ["Basic YWRhOnNlY3JldA==", "Negotiate YII", "Basic"] {
        let request = get(&in_query(&token)).header("authorization", scheme);
        assert_eq!(answer(request).await.0, 200, "{scheme} is for the proxy in front");
        let (status, problem) = answer(get("").header("authorization", scheme)).await;
        assert_eq!((status, &problem["type"]), (401, &json!("urn:bellwire:problem:token-missing")), "{problem}");
    }
    let both = get(&in_query(&encoded)).basic_auth("ada", Some("secret")).bearer_auth(&token);
    assert_eq!(answer(both).await.0, 200);
    let header_first =
        get(&in_query(&token)).bearer_auth(cluster.token_with("qa", |claims| claims.env = "prod".into()));
    assert_eq!(answer(header_first).await.0, 401, "the header comes before the query");
    let negotiate = Client::new().post(format!("{}/hub/negotiate?access_token={encoded}", pod.url));
    assert_eq!(answer(negotiate.basic_auth("proxy", Some("secret"))).await.0, 200);
}

async fn a_group_that_is_no_id_costs_its_holder_that_group_alone(cluster: Cluster) {
    let pod = cluster.pod().await;
    let groups = json!(["Domain Users", "ops", 7, null, "x".repeat(300)]);
    let token = hs256("prod", &json!({ "sub": "ada", "env": "prod", "exp": soon(), "groups": groups }));
    let mut stream = EventStream::connect(&pod.url, &token, None).await;
    pod.publish(&cluster.token("app", "prod"), &event("for ops", "group:ops")).await;
    assert_eq!(stream.next_ids(1).await, ["for ops"]);
}

async fn times_and_lists_are_taken_as_the_specification_writes_them(cluster: Cluster) {
    let pod = cluster.pod().await;
    let end = soon();
    for claims in [
        format!(r#"{{"sub":"ada","env":"prod","exp":{end}.75,"nbf":1.5,"iat":1700000000.25,"scope":"tasks"}}"#),
        r#"{"sub":"ada","env":"prod","exp":4.1024448e9,"nbf":1e0,"iat":1.7E9,"scope":["tasks"],"groups":"ops"}"#
            .to_owned(),
        r#"{"sub":"ada","env":"prod","exp":1e300,"nbf":null,"groups":null,"scp":["tasks"],"aud":["a","b"]}"#.to_owned(),
    ] {
        let token = token_of("prod", &json!({ "alg": "HS256", "typ": "at+jwt", "kid": "x" }), &claims);
        let upload = pod.request("PUT", "/api/files/x.csv", &token).body("a\n1\n");
        let (status, said) = answer(upload).await;
        assert_eq!(status, 201, "{claims}: {said}");
    }
}

async fn every_refusal_names_the_claim_and_no_setting(mut cluster: Cluster) {
    cluster.change_key("qa", |_| {
        let secret = "the secret of qa, which is long enough";
        gateway::Key::hs256(secret.as_bytes(), Some("https://login.example"), Some("bellwire"))
    });
    let pod = cluster.pod().await;
    let with = |changes: Value| {
        let mut claims = json!({ "sub": "ada", "env": "prod", "exp": soon() });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        hs256(claims["env"].as_str().unwrap_or("prod"), &claims)
    };
    let good = json!({ "sub": "ada", "env": "prod", "exp": soon() }).to_string();
    let header = |header: Value| token_of("prod", &header, &good);
    for (token, code, words) in [
        (header(json!({ "alg": "HS256", "crit": ["b64"], "b64": true })), "token-malformed", "crit: "),
        (header(json!({ "alg": "HS512" })), "token-foreign", "alg: "),
        (header(json!({ "alg": "RS256" })), "token-foreign", "alg: "),
        (header(json!({ "alg": "none" })), "token-malformed", "alg: "),
        (header(json!({ "kid": "x" })), "token-malformed", "alg: "),
        (with(json!({ "exp": null })), "token-malformed", "exp: "),
        (with(json!({ "exp": "tomorrow" })), "token-malformed", "exp: "),
        (with(json!({ "exp": 1.5 })), "token-expired", "exp: "),
        (with(json!({ "nbf": soon() as f64 + 0.5 })), "token-not-yet-valid", "nbf: "),
        (with(json!({ "nbf": "x" })), "token-malformed", "nbf: "),
        (with(json!({ "iat": "x" })), "token-malformed", "iat: "),
        (with(json!({ "sub": null })), "token-malformed", "sub: "),
        (with(json!({ "sub": 7 })), "token-malformed", "sub: "),
        (with(json!({ "sub": "ada group:ops" })), "token-malformed", "sub: "),
        (with(json!({ "groups": { "ops": true } })), "token-malformed", "groups: "),
        (with(json!({ "scope": 7 })), "token-malformed", "scope: "),
        (with(json!({ "env": null })), "token-malformed", "env: "),
        (with(json!({ "env": "qa" })), "token-foreign", "iss: "),
        (with(json!({ "env": "qa", "iss": "https://evil.example" })), "token-foreign", "iss: "),
        (with(json!({ "env": "qa", "iss": "https://login.example" })), "token-foreign", "aud: "),
        (with(json!({ "env": "qa", "iss": "https://login.example", "aud": ["x"] })), "token-foreign", "aud: "),
    ] {
        let (status, problem) = answer(pod.request("GET", "/api/tasks", &token)).await;
        assert_eq!(
            (status, &problem["type"]),
            (401, &json!(format!("urn:bellwire:problem:{code}"))),
            "{words}{problem}"
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{words:?} in {detail}");
        assert!(!detail.contains("login.example") && !detail.contains("bellwire"), "no setting is told: {detail}");
    }
}

async fn the_claims_have_the_names_that_an_environment_gives_them(mut cluster: Cluster) {
    let names = ClaimNames {
        user: Texts::of(&["oid", "preferred_username"]),
        environment: Texts::of(&["ext.stage"]),
        groups: Texts::of(&["cognito:groups", "realm_access.roles"]),
        scopes: Texts::of(&["permissions", "scp"]),
        ..ClaimNames::default()
    };
    cluster.change_key("prod", |key| key.reading(names, std::time::Duration::ZERO));
    let pod = cluster.pod().await;
    let claims = json!({
        "sub": "a number of theirs", "preferred_username": "ada", "ext": { "stage": "prod" }, "exp": soon(),
        "cognito:groups": ["sales"], "realm_access": { "roles": ["ops"] }, "permissions": ["tasks"], "scp": "publish",
    });
    let token = hs256("prod", &claims);
    let mut stream = EventStream::connect(&pod.url, &token, None).await;
    for (id, audience) in [("1", "user:ada"), ("2", "group:sales"), ("3", "group:ops")] {
        pod.publish(&token, &event(id, audience)).await;
    }
    assert_eq!(stream.next_ids(3).await, ["1", "2", "3"]);
    // What is signed here reads back under the same names.
    let own = cluster.token_with("prod", |claims| claims.scope = ALL.to_owned());
    assert_eq!(answer(pod.request("GET", "/api/tasks", &own)).await.0, 200);
}

async fn the_environment_follows_from_the_audience_where_a_token_names_none(mut cluster: Cluster) {
    for environment in ["prod", "test"] {
        cluster.change_key(environment, |_| {
            let secret = format!("the secret of {environment}, which is long enough");
            gateway::Key::hs256(secret.as_bytes(), None, Some(&format!("bellwire-{environment}")))
        });
    }
    let pod = cluster.pod().await;
    let token = |environment: &str, audience: Value| {
        hs256(environment, &json!({ "sub": "ada", "exp": soon(), "scope": ALL, "aud": audience }))
    };
    let test = token("test", json!(["account", "bellwire-test"]));
    let mut stream = EventStream::connect(&pod.url, &test, None).await;
    pod.publish(&token("prod", json!("bellwire-prod")), &event("for prod", "user:ada")).await;
    pod.publish(&test, &event("for test", "user:ada")).await;
    assert_eq!(stream.next_ids(1).await, ["for test"]);
    // A secret is worth nothing beyond its environment, whatever the audience says.
    for (forged, words) in [
        (token("prod", json!("bellwire-test")), "signature: "),
        (token("prod", json!(["bellwire-test", "bellwire-prod"])), "env: "),
        (token("qa", json!("bellwire-qa")), "aud: "),
    ] {
        let (status, problem) = answer(pod.request("GET", "/api/tasks", &forged)).await;
        assert!(status == 401 && problem["detail"].as_str().unwrap().contains(words), "{words} {problem}");
    }
}
