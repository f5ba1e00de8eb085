//! Production, test and QA share one broker and the same user ids; nothing crosses.

use backplane::Destination;
use model::Event;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use scenarios::{
    Cluster, EventStream, TestBackplane,
    cluster::event,
    over_both_backplanes,
    test_backplane::{ENVIRONMENTS, Role},
};
use serde_json::{Value, json};

over_both_backplanes! {
    an_event_never_reaches_another_environments_browser,
    whatever_its_body_claims_an_event_stays_in_its_environment,
    a_word_to_everywhere_reaches_all,
    speaking_everywhere_takes_a_scope_and_an_operators_right,
    a_token_of_one_environment_is_worthless_in_another,
}

async fn an_event_never_reaches_another_environments_browser(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let mut prod = one.browser(&cluster, "ada", "prod").await;
    let mut test = two.browser(&cluster, "ada", "test").await;
    for (environment, id) in [("prod", "for prod"), ("test", "for test")] {
        for audience in ["user:ada", "environment"] {
            one.publish(&cluster.token("app", environment), &event(&format!("{id} {audience}"), audience)).await;
        }
    }
    assert_eq!(prod.next_ids(2).await, ["for prod user:ada", "for prod environment"]);
    assert_eq!(test.next_ids(2).await, ["for test user:ada", "for test environment"]);
}

fn hostile() -> impl Strategy<Value = Value> {
    let claims = prop_oneof![
        Just(json!("prod")),
        Just(json!("test")),
        Just(json!("everywhere")),
        Just(json!("")),
        Just(json!("*")),
        "[ -~]{0,20}".prop_map(Value::from),
    ];
    let audiences = prop_oneof![
        Just("environment".to_owned()),
        Just("user:ada environment".to_owned()),
        Just("user:ada group:prod".to_owned()),
    ];
    (claims.clone(), claims, audiences, "[a-z]{1,8}").prop_map(|(environment, cursor, audience, kind)| {
        json!({ "specversion": "1.0", "source": "/evil", "type": kind, "audience": audience, "environment": environment,
                "cursor": cursor, "env": "prod", "data": { "environment": "prod", "toast": { "level": "info", "title": "hello" } } })
    })
}

async fn whatever_its_body_claims_an_event_stays_in_its_environment(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut prod = pod.browser(&cluster, "ada", "prod").await;
    let mut test = pod.browser(&cluster, "ada", "test").await;
    let token = cluster.token("app", "test");
    let mut runner = TestRunner::deterministic();
    for n in 0..100 {
        let mut body = hostile().new_tree(&mut runner).unwrap().current();
        body["id"] = json!(n.to_string());
        pod.publish(&token, &body).await;
        let frame = test.next().await;
        assert_eq!(frame.data["id"], n.to_string());
        assert_eq!(frame.data["environment"], "test", "stamped, whatever {body} claims");
        assert_eq!(frame.data["cursor"], frame.id);
    }
    pod.publish(&cluster.token("app", "prod"), &event("the only one", "environment")).await;
    assert_eq!(prod.next_ids(1).await, ["the only one"]);
}

async fn a_word_to_everywhere_reaches_all(cluster: Cluster) {
    let pods = [cluster.pod().await, cluster.pod().await];
    let mut browsers = Vec::new();
    for environment in ENVIRONMENTS {
        for pod in &pods {
            browsers.push((environment, pod.browser(&cluster, "ada", environment).await));
        }
    }
    let operator = cluster.test_backplane.backplane(&"qa".parse().unwrap(), Role::Everywhere);
    let word = Event::new("/operator", "test.said", "environment".parse().unwrap());
    operator.log.publish(Destination::Everywhere, &word).await.unwrap();
    for (environment, browser) in &mut browsers {
        let frame = browser.next().await;
        assert_eq!(
            (frame.data["id"].as_str(), frame.data["environment"].as_str()),
            (Some(word.id.as_str()), Some(*environment))
        );
    }
}

async fn speaking_everywhere_takes_a_scope_and_an_operators_right(cluster: Cluster) {
    let pod = cluster.pod().await;
    let speak = async |token: &str| {
        let (status, problem) = pod.try_publish("/api/events?to=everywhere", token, &event("x", "environment")).await;
        (status, problem["type"].as_str().unwrap_or_default().replace("urn:bellwire:problem:", ""))
    };
    let narrow = cluster.token_with("qa", |claims| claims.scope = "publish".to_owned());
    assert_eq!(speak(&narrow).await, (403, "scope-missing".to_owned()));
    let answer = speak(&cluster.token("ops", "qa")).await;
    match cluster.test_backplane {
        TestBackplane::Memory(_) => assert_eq!(answer.0, 202),
        // The broker user of a gateway is not given it.
        TestBackplane::RabbitMq { .. } => assert_eq!(answer, (403, "everywhere-refused".to_owned())),
    }
    let mut browser = pod.browser(&cluster, "ada", "qa").await;
    pod.publish(&cluster.token("ops", "qa"), &event("still", "user:ada")).await;
    assert_eq!(browser.next_ids(1).await, ["still"]);
}

async fn a_token_of_one_environment_is_worthless_in_another(cluster: Cluster) {
    let pod = cluster.pod().await;
    // Signed with the key of test, yet it says prod.
    let forged = cluster.token_with("test", |claims| claims.env = "prod".to_owned());
    let answer = EventStream::ask(&pod.url, &forged, None).await;
    assert_eq!(answer.status(), 401);
    let (status, problem) = pod.try_publish("/api/events", &forged, &event("x", "environment")).await;
    assert_eq!((status, problem["type"].as_str()), (401, Some("urn:bellwire:problem:token-foreign")), "{problem}");
}
