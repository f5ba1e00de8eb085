//! Questions that more than one person must answer, what they are about, and the files that a run leaves: over pods, engines
//! and databases.

use std::{collections::BTreeSet, io::Read};

use model::approval::{Again, Question};
use scenarios::{Cluster, EventStream, Pod, cluster::answer, over_both_backplanes, until};
use serde_json::{Value, json};

use crate::flowing::{Quick, Tables, in_state, member, start, step_in};

over_both_backplanes! {
    two_people_approve_what_they_can_read_though_an_engine_is_killed_between_them,
    who_does_not_answer_is_reminded_and_others_are_asked_once_however_many_engines_there_are,
    the_files_of_a_run_are_offered_each_and_as_one_archive_to_its_owner_alone,
}

pub(crate) const FLOWS: [(&str, &str); 3] = [
    (
        "four-eyes",
        r#"
title = "Four eyes"
[[input]]
name = "file"
type = "file"
required = true
[[input]]
name = "least"
title = "At least"
type = "integer"
default = 3
[[step]]
id = "load"
kind = "quick"
input = { name = "load" }
[[step]]
id = "approve"
kind = "approval"
needs = ["load"]
ask = "group:reviewers"
approvals = 2
question = "Shall it be published?"
show = ["least"]
files = ["{{ input.file }}"]
timeout = "1h"
[[step.field]]
name = "amount"
type = "integer"
required = true
[[step]]
id = "publish"
kind = "quick"
needs = ["approve"]
input = { name = "publish", amount = "{{ steps.approve.answer.amount }}", by = "{{ steps.approve.output.answers | map(attribute='by') | list }}" }
"#,
    ),
    (
        "patient",
        r#"
title = "Patient"
[[step]]
id = "approve"
kind = "approval"
ask = "group:reviewers"
remind = "400ms"
escalate = { after = "1s", ask = "group:heads" }
"#,
    ),
    (
        "each",
        r#"
title = "Each"
[[input]]
name = "links"
[[step]]
id = "each"
kind = "quick"
for_each = "input.links | split"
input = { name = "each", href = "{{ item }}" }
"#,
    ),
];

async fn upload(pod: &Pod, token: &str, name: &str, content: &'static str) -> (String, String) {
    let (status, file) = answer(pod.request("PUT", &format!("/api/files/{name}"), token).body(content)).await;
    assert_eq!(status, 201, "{file}");
    (file["key"].as_str().unwrap().to_owned(), file["href"].as_str().unwrap().to_owned())
}

/// The status and the bytes of a download.
async fn download(pod: &Pod, token: &str, path: &str) -> (u16, Vec<u8>) {
    let answer = pod.request("GET", path, token).send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

async fn asked(pod: &Pod, token: &str, run: &str) -> Value {
    until("the question is listed", async || {
        let (_, list) = answer(pod.request("GET", "/api/approvals", token)).await;
        list["approvals"].as_array()?.iter().find(|asked| asked["task"] == run).cloned()
    })
    .await
}

async fn two_people_approve_what_they_can_read_though_an_engine_is_killed_between_them(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let (tables, quick) = (Tables::beside(&cluster).await, Quick::default());
    let (first, _second) = (tables.engine(&cluster).await, tables.engine(&cluster).await);
    let _worker = cluster.worker("prod", quick.clone()).await;
    // Whoever starts it is of the group that is asked.
    let [ada, bob, amy] = ["ada", "bob", "amy"].map(|user| member(&cluster, user, "reviewers"));
    let eve = member(&cluster, "eve", "staff");
    let (key, own) = upload(&one, &ada, "a b.csv", "secret").await;
    let run = start(&one, &ada, "four-eyes", json!({ "file": key })).await;
    let question = asked(&two, &bob, &run).await;
    assert_eq!((&question["needed"], &question["shown"]), (&json!(2), &json!([{ "title": "At least", "value": "3" }])));
    assert!(question["until"].is_string() && question["fields"][0]["path"] == "amount", "{question}");
    let file = question["files"][0].clone();
    assert_eq!(file["name"], "a b.csv");
    let href = file["href"].as_str().unwrap();
    assert_eq!(download(&two, &bob, href).await, (200, b"secret".to_vec()));
    for (token, path) in [(&eve, href), (&bob, own.as_str()), (&bob, &href.replace("a%20b.csv", "other.csv"))] {
        assert_eq!(download(&two, token, path).await.0, 404, "{path}");
    }
    let path = format!("/api/tasks/{run}/steps/approve");
    let decide = async |pod: &Pod, token: &str, body: Value| {
        answer(pod.request("POST", &path, token).body(body.to_string())).await
    };
    let approve = |amount: Value| json!({ "decision": "approve", "answer": { "amount": amount } });
    let (status, problem) = decide(&one, &ada, approve(json!(5))).await;
    assert_eq!((status, problem["type"].as_str()), (403, Some("urn:bellwire:problem:own-run")), "{problem}");
    for (body, words) in [
        (json!({ "decision": "approve" }), "answer.amount: it must be given"),
        (approve(json!("5")), "answer.amount: \"5\" is not a whole number"),
    ] {
        let (status, problem) = decide(&two, &bob, body).await;
        assert_eq!(status, 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    assert_eq!(decide(&one, &bob, approve(json!(5))).await.0, 200);
    let again = decide(&two, &bob, json!({ "decision": "reject" })).await;
    assert_eq!(again.0, 409, "{}", again.1);
    first.kill().await;
    for pod in [&one, &two] {
        let waits = until("the other pod knows who has approved", async || {
            Some(asked(pod, &amy, &run).await).filter(|asked| asked["approved_by"] == json!(["bob"]))
        });
        waits.await;
        let (_, list) = answer(pod.request("GET", "/api/approvals", &bob)).await;
        assert_eq!(list["approvals"], json!([]), "it does not wait for who has answered");
    }
    let waiting = until("the owner sees who has approved", async || {
        let (_, task) = answer(one.request("GET", &format!("/api/tasks/{run}"), &ada)).await;
        Some(task["steps"][1]["asks"].clone()).filter(|asks| asks["approved_by"] == json!(["bob"]))
    });
    let waiting = waiting.await;
    assert_eq!((&waiting["audience"], &waiting["needed"]), (&json!("group:reviewers"), &json!(2)));
    assert!(waiting["until"].is_string(), "{waiting}");
    assert_eq!(download(&one, &bob, href).await.0, 200, "it is still open");
    assert_eq!(decide(&two, &amy, approve(json!(7))).await.0, 200);
    in_state(&one, &ada, &run, "succeeded").await;
    let published = quick.input_of("publish");
    assert_eq!((&published["amount"], &published["by"]), (&json!(7), &json!(["bob", "amy"])));
    for pod in [&one, &two] {
        in_state(pod, &ada, &run, "succeeded").await;
        assert_eq!(download(pod, &bob, href).await.0, 404, "the right ends with the question");
    }
}

async fn who_does_not_answer_is_reminded_and_others_are_asked_once_however_many_engines_there_are(cluster: Cluster) {
    let pod = cluster.pod().await;
    let (tables, quick) = (Tables::beside(&cluster).await, Quick::default());
    let first = tables.engine(&cluster).await;
    let _others = [tables.engine(&cluster).await, tables.engine(&cluster).await];
    let _worker = cluster.worker("prod", quick.clone()).await;
    let (ada, bob, hana) =
        (cluster.token("ada", "prod"), member(&cluster, "bob", "reviewers"), member(&cluster, "hana", "heads"));
    let (mut bobs, mut hanas) =
        (EventStream::connect(&pod.url, &bob, None).await, EventStream::connect(&pod.url, &hana, None).await);
    let run = start(&pod, &ada, "patient", json!({})).await;
    let next = async |browser: &mut EventStream| loop {
        let event: model::Event = serde_json::from_value(browser.next().await.data).unwrap();
        if Question::of(&event).is_some_and(|question| question.task.to_string() == run) {
            let again: Option<Again> = event.data.as_ref().unwrap().member("again").unwrap();
            break (event.id, again);
        }
    };
    let (mut ids, mut told) = (BTreeSet::new(), Vec::new());
    while told.last() != Some(&Some(Again::Escalation)) {
        let (id, again) = next(&mut bobs).await;
        // `…asked.<round>.…`: no round is told twice.
        assert!(ids.insert(id.split('.').nth(3).unwrap().to_owned()), "{id} again");
        told.push(again);
        if told.len() == 2 {
            first.0.abort();
        }
    }
    assert!(
        told[0].is_none() && told[1..told.len() - 1].iter().all(|again| *again == Some(Again::Reminder)),
        "{told:?}"
    );
    assert_eq!(next(&mut hanas).await.1, Some(Again::Escalation), "they hear of it then, and not before");
    step_in(&pod, &ada, &run, "approve", "asked").await;
    let path = format!("/api/tasks/{run}/steps/approve");
    let body = json!({ "decision": "approve" }).to_string();
    assert_eq!(answer(pod.request("POST", &path, &hana).body(body)).await.0, 200);
    in_state(&pod, &ada, &run, "succeeded").await;
}

async fn the_files_of_a_run_are_offered_each_and_as_one_archive_to_its_owner_alone(cluster: Cluster) {
    let pod = cluster.pod().await;
    let (tables, quick) = (Tables::beside(&cluster).await, Quick::default());
    let _engine = tables.engine(&cluster).await;
    let _worker = cluster.worker("prod", quick.clone()).await;
    let (ada, eve) = (cluster.token("ada", "prod"), cluster.token("eve", "prod"));
    let mut links = Vec::new();
    for content in ["one", "two", "three"] {
        links.push(upload(&pod, &ada, "report.html", content).await.1);
    }
    let run = start(&pod, &ada, "each", json!({ "links": links.join(" ") })).await;
    let task = in_state(&pod, &ada, &run, "succeeded").await;
    assert_eq!(task["result"]["file_count"], 3, "{task}");
    let zip = task["result"]["files_href"].as_str().unwrap();
    let (status, list) = answer(pod.request("GET", &format!("/api/tasks/{run}/files"), &ada)).await;
    assert_eq!((status, list["files"].as_array().map(Vec::len), &list["zip"]), (200, Some(3), &json!(zip)));
    assert_eq!(list["files"][1], json!({ "name": "report (2).html", "step": "each", "href": links[1] }));
    let read = |bytes: Vec<u8>| {
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let contents = (0..archive.len()).map(|index| {
            let (mut file, mut content) = (archive.by_index(index).unwrap(), String::new());
            file.read_to_string(&mut content).unwrap();
            (file.name().unwrap().into_owned(), content)
        });
        let mut contents: Vec<_> = contents.collect();
        contents.sort();
        contents
    };
    let expected = [("report (2).html", "two"), ("report (3).html", "three"), ("report.html", "one")];
    let expected = expected.map(|(name, content)| (name.to_owned(), content.to_owned()));
    assert_eq!(read(download(&pod, &ada, zip).await.1), expected);
    for path in [zip.to_owned(), format!("/api/tasks/{run}/files")] {
        assert_eq!(download(&pod, &eve, &path).await.0, 404);
    }
    assert_eq!(answer(pod.request("DELETE", &links[1], &ada)).await.0, 204);
    let left = read(download(&pod, &ada, zip).await.1);
    assert_eq!(left[0], ("MISSING.txt".to_owned(), "report (2).html\n".to_owned()));
    assert_eq!(left.len(), 3, "{left:?}");
}
