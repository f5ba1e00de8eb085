//! How a SignalR client begins, on any pod, and whose pages may.

use gateway::GatewayConfig;
use process::{Settings, settings::Layers};
use reqwest::{Method, RequestBuilder, Response, header::HeaderMap};
use scenarios::{Cluster, Pod, cluster::answer, over_both_backplanes};
use serde_json::{Value, json};

over_both_backplanes! {
    a_client_gets_the_version_it_asked_for_and_no_newer_one,
    whatever_else_a_client_sends_changes_nothing,
    a_wrong_place_is_told_in_words_and_a_wrong_version_is_refused,
    who_has_no_valid_token_cannot_negotiate,
    a_browser_may_ask_from_a_listed_page,
    a_browser_may_not_ask_from_any_other_page,
    the_module_is_for_every_page,
}

const PAGE: &str = "https://app.example";

async fn negotiate(pod: &Pod, cluster: &Cluster, query: &str) -> (u16, Value) {
    answer(pod.request("POST", &format!("/hub/negotiate{query}"), &cluster.token("ada", "prod"))).await
}

async fn a_client_gets_the_version_it_asked_for_and_no_newer_one(cluster: Cluster) {
    let pod = cluster.pod().await;
    for (query, version) in
        [("", 0), ("?negotiateVersion=0", 0), ("?negotiateVersion=1", 1), ("?negotiateVersion=7", 1)]
    {
        let (status, found) = negotiate(&pod, &cluster, query).await;
        assert_eq!((status, &found["negotiateVersion"]), (200, &json!(version)), "{query}: {found}");
        let id = found["connectionId"].as_str().unwrap();
        if version == 0 {
            assert!(id.contains('.') && found.get("connectionToken").is_none(), "the id is the secret: {found}");
        } else {
            let token = found["connectionToken"].as_str().unwrap();
            assert!(token != id && token.len() <= 512, "{found}");
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            assert!(token.bytes().all(is_plain), "clients put it into URLs as it is: {token}");
        }
        let expected = json!([
            { "transport": "WebSockets", "transferFormats": ["Text", "Binary"] },
            { "transport": "ServerSentEvents", "transferFormats": ["Text"] },
            { "transport": "LongPolling", "transferFormats": ["Text", "Binary"] },
        ]);
        assert_eq!(found["availableTransports"], expected);
        assert_ne!(negotiate(&pod, &cluster, query).await.1["connectionId"], id, "no two are the same");
    }
}

async fn whatever_else_a_client_sends_changes_nothing(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let (_, plain) = negotiate(&pod, &cluster, "?negotiateVersion=1").await;
    let names = |found: &Value| found.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for query in ["&id=old.one&id=older", "&useStatefulReconnect=true", "&after=", "&after=now", "&page=7"] {
        let path = format!("/hub/negotiate?negotiateVersion=1{query}");
        let (status, found) = answer(pod.request("POST", &path, &token).body(vec![b'x'; 100_000])).await;
        assert_eq!((status, names(&found)), (200, names(&plain)), "{query}: {found}");
    }
    let cursor = pod.browser(&cluster, "ada", "prod").await.cursor;
    let (_, found) = negotiate(&pod, &cluster, &format!("?negotiateVersion=1&after={cursor}")).await;
    assert_eq!(names(&found), names(&plain));
    assert!(found.get("useStatefulReconnect").is_none());
}

async fn a_wrong_place_is_told_in_words_and_a_wrong_version_is_refused(cluster: Cluster) {
    let pod = cluster.pod().await;
    for version in [0, 1] {
        let (status, found) = negotiate(&pod, &cluster, &format!("?negotiateVersion={version}&after=yesterday")).await;
        let said = "after: a cursor is 24 hexadecimal digits, as the gateway sent it, or `now`";
        assert_eq!((status, found), (200, json!({ "negotiateVersion": version, "error": said })));
    }
    for version in ["x", "-1", "", "1.0"] {
        let (status, problem) = negotiate(&pod, &cluster, &format!("?negotiateVersion={version}")).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:bellwire:problem:invalid-parameter")), "{version:?}");
        assert!(problem["detail"].as_str().unwrap().contains("negotiateVersion"), "{problem}");
    }
}

async fn who_has_no_valid_token_cannot_negotiate(cluster: Cluster) {
    let pod = cluster.pod().await;
    let ask = async |token: &str| {
        let (status, problem) = answer(pod.request("POST", "/hub/negotiate?negotiateVersion=1", token)).await;
        (status, problem["type"].as_str().unwrap_or_default().replace("urn:bellwire:problem:", ""))
    };
    let expired = cluster.token_with("prod", |claims| claims.exp = 1);
    let foreign = cluster.token_with("test", |claims| claims.env = "prod".to_owned());
    assert_eq!(ask(&expired).await, (401, "token-expired".to_owned()));
    assert_eq!(ask(&foreign).await, (401, "token-foreign".to_owned()));
    // A connection's name is no token, though the gateway signed it.
    let (_, found) = negotiate(&pod, &cluster, "?negotiateVersion=1").await;
    assert_eq!(ask(found["connectionToken"].as_str().unwrap()).await, (401, "token-malformed".to_owned()));
    let in_url = format!("{}/hub/negotiate?access_token={}", pod.url, cluster.token("ada", "prod"));
    assert_eq!(answer(reqwest::Client::new().post(in_url)).await.0, 200);
}

async fn listing(cluster: &Cluster) -> Pod {
    let layers = Layers {
        flags: vec![
            ("gateway.origins".into(), format!("http://localhost:5173,{PAGE}")),
            ("gateway.allowed_headers".into(), "X-Tenant, x-other".into()),
        ],
        ..Layers::default()
    };
    let config: GatewayConfig = Settings::read(layers).unwrap().section("gateway").unwrap();
    cluster.pod_with(config).await
}

fn preflight(pod: &Pod, path: &str, origin: &str) -> RequestBuilder {
    let request =
        reqwest::Client::new().request(Method::OPTIONS, format!("{}{path}", pod.url)).header("origin", origin);
    request
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,x-requested-with,x-signalr-user-agent")
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

async fn a_browser_may_ask_from_a_listed_page(cluster: Cluster) {
    let pod = listing(&cluster).await;
    let asked = preflight(&pod, "/hub/negotiate?negotiateVersion=1", PAGE).send().await.unwrap();
    assert_eq!(asked.status(), 200);
    let headers = asked.headers();
    assert_eq!(header(headers, "access-control-allow-origin"), PAGE);
    assert_eq!(header(headers, "access-control-allow-credentials"), "true");
    assert_eq!(header(headers, "access-control-max-age"), "7200");
    for method in ["GET", "POST", "PUT", "DELETE"] {
        assert!(header(headers, "access-control-allow-methods").contains(method));
    }
    for name in [
        "authorization",
        "x-requested-with",
        "x-signalr-user-agent",
        "last-event-id",
        "idempotency-key",
        "traceparent",
        "tracestate",
        "baggage",
        "sentry-trace",
        "x-tenant",
    ] {
        let allowed = header(headers, "access-control-allow-headers");
        assert!(allowed.split(',').any(|allowed| allowed.trim() == name), "{name}");
    }
    let with_token = pod.request("POST", "/hub/negotiate", &cluster.token("ada", "prod"));
    let without = reqwest::Client::new().post(format!("{}/hub/negotiate", pod.url));
    let nowhere = pod.request("GET", "/nowhere", "x");
    for (request, status) in [(with_token, 200), (without, 401), (nowhere, 404)] {
        let answered = request.header("origin", PAGE).send().await.unwrap();
        assert_eq!(answered.status(), status);
        assert_eq!(header(answered.headers(), "access-control-allow-origin"), PAGE, "errors can be read, too");
        assert_eq!(
            header(answered.headers(), "access-control-expose-headers"),
            "retry-after,location,date,bellwire-stream"
        );
        assert!(header(answered.headers(), "vary").eq_ignore_ascii_case("origin"));
    }
}

fn allows_nobody(answered: &Response) {
    assert_eq!(header(answered.headers(), "access-control-allow-origin"), "");
}

async fn a_browser_may_not_ask_from_any_other_page(cluster: Cluster) {
    let (listing, closed) = (listing(&cluster).await, cluster.pod().await);
    for origin in
        ["https://evil.example", "http://app.example", "https://app.example:8443", "null", "https://app.example.evil"]
    {
        for path in ["/hub/negotiate", "/events", "/api/tasks"] {
            allows_nobody(&preflight(&listing, path, origin).send().await.unwrap());
        }
        let request = listing.request("POST", "/hub/negotiate", &cluster.token("ada", "prod"));
        allows_nobody(&request.header("origin", origin).send().await.unwrap());
    }
    allows_nobody(&preflight(&closed, "/hub/negotiate", PAGE).send().await.unwrap());
}

async fn the_module_is_for_every_page(cluster: Cluster) {
    let pod = listing(&cluster).await;
    for origin in [PAGE, "https://other.example"] {
        let request = reqwest::Client::new().get(format!("{}/client/bellwire.js", pod.url));
        let answered = request.header("origin", origin).send().await.unwrap();
        assert_eq!(answered.status(), 200);
        assert_eq!(header(answered.headers(), "access-control-allow-origin"), "*");
    }
}

#[test]
fn a_list_of_origins_can_be_a_list_or_one_variable_and_a_wrong_entry_is_named() {
    let read = |name: &str, value: &str| {
        let layers = Layers { variables: vec![(name.into(), value.into())], ..Layers::default() };
        Settings::read(layers).unwrap().section::<GatewayConfig>("gateway").map_err(|error| error.to_string())
    };
    let one = read("BELLWIRE_GATEWAY__ORIGINS", "https://a.example, https://b.example").unwrap();
    let listed = "gateway.origins = ['https://b.example', 'https://a.example:443']";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bellwire.toml");
    std::fs::write(&file, listed).unwrap();
    let in_file = Settings::read(Layers { file: Some(file), ..Layers::default() }).unwrap();
    assert_eq!(one.origins, in_file.section::<GatewayConfig>("gateway").unwrap().origins);
    for (name, value, entry) in [
        (
            "BELLWIRE_GATEWAY__ORIGINS",
            "https://a.example,https://b.example/page",
            "\"https://b.example/page\" has a path",
        ),
        ("BELLWIRE_GATEWAY__ORIGINS", "*", "\"*\" is no origin"),
        ("BELLWIRE_GATEWAY__ORIGINS__0", "null", "\"null\" is no origin"),
        ("BELLWIRE_GATEWAY__ORIGINS", "https://*.example", "\"https://*.example\" has a wildcard"),
    ] {
        let error = read(name, value).unwrap_err();
        assert!(error.starts_with("gateway.origins") && error.contains(entry), "{error}");
        assert!(error.contains(&format!("set by the variable {name}")), "{error}");
    }
    assert_eq!(read("BELLWIRE_GATEWAY__MESSAGES", "7").unwrap().messages.get(), 7);
    let error = read("BELLWIRE_GATEWAY__MESSAGES", "0").unwrap_err();
    assert!(error.starts_with("gateway.messages (BELLWIRE_GATEWAY__MESSAGES)") && error.contains("nonzero"), "{error}");
}
