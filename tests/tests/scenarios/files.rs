//! Files over HTTP: each person has their own, as many as they may, for as long as they are kept.

use std::{pin::pin, time::Duration};

use futures_util::{
    future::{Either, join_all, select},
    stream,
};
use gateway::GatewayConfig;
use reqwest::Body;
use scenarios::{Cluster, Pod, cluster::answer, over_both_backplanes, until};
use serde_json::{Value, json};
use storage::FilesConfig;

over_both_backplanes! {
    a_file_is_deleted_by_its_owner_alone_and_on_every_pod,
    a_full_quota_is_told_with_its_setting_and_deleting_makes_room,
    uploads_of_one_person_at_once_do_not_exceed_the_quota,
    a_task_whose_input_does_not_fit_into_the_quota_is_refused_and_leaves_nothing,
    an_upload_expires,
    what_one_person_moves_faster_than_allowed_waits_and_nobody_else_does,
}

async fn put(pod: &Pod, token: &str, bytes: usize) -> (u16, Value) {
    answer(pod.request("PUT", "/api/files/a.csv", token).body(vec![b'x'; bytes])).await
}

async fn status(pod: &Pod, method: &str, href: &str, token: &str) -> u16 {
    pod.request(method, href, token).send().await.unwrap().status().as_u16()
}

/// A pod that counts for itself.
async fn pod_with(cluster: &mut Cluster, limits: &FilesConfig) -> Pod {
    cluster.storage = cluster.storage.clone().with_limits(limits.clone());
    cluster.pod().await
}

async fn a_file_is_deleted_by_its_owner_alone_and_on_every_pod(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let (ada, bob) = (cluster.token("ada", "prod"), cluster.token("bob", "prod"));
    let (_, file) = put(&one, &ada, 10).await;
    let href = file["href"].as_str().unwrap();
    let listener = cluster.token_with("prod", |claims| claims.scope = String::new());
    assert_eq!(status(&one, "DELETE", href, &listener).await, 403);
    assert_eq!(status(&one, "DELETE", href, &bob).await, 404);
    assert_eq!(status(&one, "DELETE", href, &cluster.token("ada", "test")).await, 404);
    assert_eq!(status(&one, "DELETE", "/api/files/x", &ada).await, 400);
    assert_eq!(status(&two, "GET", href, &ada).await, 200);
    assert_eq!(status(&two, "DELETE", href, &ada).await, 204);
    assert_eq!(status(&one, "GET", href, &ada).await, 404);
    assert_eq!(status(&one, "DELETE", href, &ada).await, 404);
}

async fn a_full_quota_is_told_with_its_setting_and_deleting_makes_room(mut cluster: Cluster) {
    let limits = FilesConfig { quota_per_user: 1000, files_per_user: 2, ..FilesConfig::default() };
    let (one, two) = (pod_with(&mut cluster, &limits).await, pod_with(&mut cluster, &limits).await);
    let (ada, bob) = (cluster.token("ada", "prod"), cluster.token("bob", "prod"));
    let (_, first) = put(&one, &ada, 900).await;
    // With a length, and without one.
    let unannounced = Body::wrap_stream(stream::iter([Ok::<_, std::io::Error>(vec![0; 900])]));
    let unannounced = answer(one.request("PUT", "/api/files/a.csv", &ada).body(unannounced)).await;
    for (status, problem) in [put(&one, &ada, 900).await, unannounced, put(&two, &ada, 900).await] {
        assert_eq!((status, &problem["type"]), (507, &json!("urn:bellwire:problem:quota-full")), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("your files have 900 bytes, and may have 1000 (files.quota_per_user)"), "{detail}");
        assert!(detail.contains("delete some"), "{detail}");
    }
    assert_eq!(put(&one, &bob, 900).await.0, 201);
    assert_eq!(put(&one, &ada, 10).await.0, 201);
    let (status_of_third, problem) = put(&one, &ada, 10).await;
    assert_eq!(status_of_third, 507);
    assert!(problem["detail"].as_str().unwrap().contains("you have 2 files, and may have 2 (files.files_per_user)"));
    assert_eq!(status(&one, "DELETE", first["href"].as_str().unwrap(), &ada).await, 204);
    assert_eq!(put(&one, &ada, 900).await.0, 201);
}

async fn uploads_of_one_person_at_once_do_not_exceed_the_quota(mut cluster: Cluster) {
    let pod = pod_with(&mut cluster, &FilesConfig { quota_per_user: 1000, ..FilesConfig::default() }).await;
    let ada = cluster.token("ada", "prod");
    let answers = join_all((0..12).map(|_| put(&pod, &ada, 400))).await;
    let mut statuses: Vec<_> = answers.iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![201; 2], vec![507; 10]].concat());
}

async fn a_task_whose_input_does_not_fit_into_the_quota_is_refused_and_leaves_nothing(mut cluster: Cluster) {
    let pod = pod_with(&mut cluster, &FilesConfig { quota_per_user: 1000, ..FilesConfig::default() }).await;
    let ada = cluster.token("ada", "prod");
    let task = json!({ "kind": "imports", "input": { "file": "x".repeat(70_000) } }).to_string();
    let (status, problem) = answer(pod.request("POST", "/api/tasks", &ada).body(task)).await;
    assert_eq!((status, &problem["type"]), (507, &json!("urn:bellwire:problem:quota-full")), "{problem}");
    assert_eq!(put(&pod, &ada, 1000).await.0, 201, "nothing takes room");
}

async fn an_upload_expires(mut cluster: Cluster) {
    let pod = pod_with(&mut cluster, &FilesConfig { keep: Duration::from_millis(1), ..FilesConfig::default() }).await;
    let ada = cluster.token("ada", "prod");
    let (_, file) = put(&pod, &ada, 10).await;
    let href = file["href"].as_str().unwrap();
    until("the upload to expire", async || (status(&pod, "GET", href, &ada).await == 404).then_some(())).await;
}

async fn what_one_person_moves_faster_than_allowed_waits_and_nobody_else_does(cluster: Cluster) {
    let pod = cluster.pod_with(GatewayConfig { bytes_per_user: 8 << 10, ..GatewayConfig::default() }).await;
    let (ada, bob) = (cluster.token("ada", "prod"), cluster.token("bob", "prod"));
    let bob_does_some = async || {
        for _ in 0..5 {
            assert_eq!(put(&pod, &bob, 10).await.0, 201);
        }
    };
    let (ada_puts, bobs) = (pin!(put(&pod, &ada, 32 << 10)), pin!(bob_does_some()));
    let Either::Right(((), ada_puts)) = select(ada_puts, bobs).await else {
        panic!("an upload of four seconds' bytes was over first");
    };
    let (status, file) = ada_puts.await;
    assert_eq!(status, 201);
    let get = async || pod.request("GET", file["href"].as_str().unwrap(), &ada).send().await.unwrap().bytes().await;
    let (ada_gets, bobs) = (pin!(get()), pin!(bob_does_some()));
    let Either::Right(((), ada_gets)) = select(ada_gets, bobs).await else {
        panic!("a download of four seconds' bytes was over first");
    };
    assert_eq!(ada_gets.await.unwrap().len(), 32 << 10);
}
