//! A workflow asks people; whoever of them answers first is heard, whichever pod they are on.

use backplane::Destination;
use model::{
    Audience, Event, Job, Kind, Task, TaskId, TaskState, Toast,
    approval::{Answer, Decision, Details, Question, Telling},
    toast::Level,
};
use scenarios::{
    Cluster, Pod,
    cluster::{answer, event},
    over_both_backplanes,
    test_backplane::Role,
    until,
};
use serde_json::{Value, json};

over_both_backplanes! {
    a_question_is_asked_on_one_pod_and_answered_on_another_by_a_member_of_the_group,
    of_two_who_answer_at_once_on_two_pods_one_is_heard_and_the_other_is_told_who,
    who_is_not_asked_can_neither_see_the_question_nor_answer_it,
    a_question_that_nobody_asks_or_a_decision_that_is_none_is_named,
    what_a_run_asked_is_gone_with_its_end,
    nobody_asks_or_answers_by_publishing_an_event,
    a_question_that_a_list_does_not_have_yet_follows_its_cursor_on_any_pod,
}

/// Says what a workflow's worker says.
struct Workflow<'a> {
    cluster: &'a Cluster,
    run: TaskId,
}

impl<'a> Workflow<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        Self { cluster, run: TaskId::new() }
    }

    async fn say(&self, event: &Event) {
        let kind: Kind = "patient".parse().unwrap();
        let backplane = self.cluster.test_backplane.backplane(&"prod".parse().unwrap(), Role::Worker(&kind));
        backplane.log.publish(Destination::Own, event).await.unwrap();
    }

    async fn ask(&self, step: &str, audience: &str) {
        let (title, question) = ("Airports by state".to_owned(), "Publish it?".to_owned());
        let (step, owner, details) = (step.to_owned(), "ada".to_owned(), Details::default());
        let question = Question { task: self.run, step, title, question, owner, details };
        self.put(&question, audience).await;
    }

    async fn put(&self, question: &Question, audience: &str) {
        let toast = Some(Toast::new(Level::Info, "Publish it?"));
        self.say(&question.event(audience.parse().unwrap(), Telling { toast, ..Telling::default() })).await;
    }

    async fn end(&self) {
        let job = Job::new(self.run, "workflows".parse().unwrap(), "ada", "Airports by state", Value::Null);
        let task = Task { attempt: 1, ..Task::of(&job, TaskState::Succeeded) };
        self.say(&Event::of_task("/functions/workflows", Audience::user("ada"), &task, None)).await;
    }

    fn path(&self, step: &str) -> String {
        format!("/api/tasks/{}/steps/{step}", self.run)
    }
}

fn member(cluster: &Cluster, user: &str, group: &str) -> String {
    cluster.token_with("prod", |claims| {
        claims.sub = user.to_owned();
        claims.groups = vec![group.to_owned()];
    })
}

async fn asked(pod: &Pod, token: &str, number: usize) -> Vec<Value> {
    until(&format!("{number} questions are open"), async || {
        let (status, list) = answer(pod.request("GET", "/api/approvals", token)).await;
        assert_eq!(status, 200, "{list}");
        let list = list["approvals"].as_array().unwrap().clone();
        (list.len() == number).then_some(list)
    })
    .await
}

async fn decide(pod: &Pod, token: &str, path: &str, decision: Value) -> (u16, Value) {
    answer(pod.request("POST", path, token).body(decision.to_string())).await
}

async fn a_question_is_asked_on_one_pod_and_answered_on_another_by_a_member_of_the_group(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let (bob, eve) = (member(&cluster, "bob", "finance"), member(&cluster, "eve", "finance"));
    let mut browser = scenarios::EventStream::connect(&one.url, &bob, None).await;
    let mut adas = two.browser(&cluster, "ada", "prod").await;
    let workflow = Workflow::new(&cluster);
    workflow.ask("first", "user:bob").await;
    workflow.ask("publish", "group:finance").await;
    assert_eq!(browser.next().await.data["data"]["toast"]["decision"]["step"], "first");
    let toast = browser.next().await.data["data"]["toast"].clone();
    assert_eq!(toast["decision"], json!({ "task": workflow.run, "step": "publish" }));
    let list = asked(&two, &bob, 2).await;
    let [newest, _] = &list[..] else { panic!("{list:?}") };
    assert_eq!((&newest["step"], &newest["owner"]), (&json!("publish"), &json!("ada")));
    assert_eq!((&newest["title"], &newest["question"]), (&json!("Airports by state"), &json!("Publish it?")));
    assert!(newest["asked"].is_string() && newest["task"] == json!(workflow.run));
    let path = workflow.path("publish");
    asked(&two, &eve, 1).await;
    let (status, stands) = decide(&two, &eve, &path, json!({ "decision": "approve", "comment": " looks good " })).await;
    assert_eq!(status, 200, "{stands}");
    let expected = json!({
        "task": workflow.run, "step": "publish", "decision": "approve", "by": "eve", "comment": "looks good"
    });
    assert_eq!(stands, expected);
    // Who was asked hears of it, and so does who began the run.
    for browser in [&mut browser, &mut adas] {
        let heard: Event = serde_json::from_value(browser.next().await.data).unwrap();
        let heard = Answer::of(&heard).unwrap();
        assert_eq!((heard.decision, heard.by.as_str(), &heard.groups[0][..]), (Decision::Approve, "eve", "finance"));
    }
    for pod in [&one, &two] {
        asked(pod, &bob, 1).await;
        let (status, problem) = decide(pod, &bob, &path, json!({ "decision": "reject" })).await;
        assert_eq!((status, problem["type"].as_str()), (409, Some("urn:bellwire:problem:decided")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("eve has approved"), "{problem}");
    }
}

async fn of_two_who_answer_at_once_on_two_pods_one_is_heard_and_the_other_is_told_who(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let (bob, eve) = (member(&cluster, "bob", "finance"), member(&cluster, "eve", "finance"));
    let workflow = Workflow::new(&cluster);
    for step in ["a", "b", "c", "d", "e"] {
        workflow.ask(step, "group:finance").await;
        for pod in [&one, &two] {
            asked(pod, &bob, 1).await;
        }
        let path = workflow.path(step);
        let ((bobs, told_bob), (eves, told_eve)) = tokio::join!(
            decide(&one, &bob, &path, json!({ "decision": "approve" })),
            decide(&two, &eve, &path, json!({ "decision": "reject" })),
        );
        let (winner, loser) = match (bobs, eves) {
            (200, 409) => (told_bob, told_eve),
            (409, 200) => (told_eve, told_bob),
            other => panic!("{other:?}: {told_bob} {told_eve}"),
        };
        let by = winner["by"].as_str().unwrap();
        assert!(loser["detail"].as_str().unwrap().starts_with(&format!("{by} has ")), "{loser}");
    }
}

async fn who_is_not_asked_can_neither_see_the_question_nor_answer_it(cluster: Cluster) {
    let pod = cluster.pod().await;
    let workflow = Workflow::new(&cluster);
    workflow.ask("publish", "user:bob").await;
    asked(&pod, &cluster.token("bob", "prod"), 1).await;
    // Not even who began the run.
    for token in [cluster.token("ada", "prod"), member(&cluster, "eve", "bob")] {
        asked(&pod, &token, 0).await;
        let (status, problem) = decide(&pod, &token, &workflow.path("publish"), json!({ "decision": "approve" })).await;
        assert_eq!((status, problem["type"].as_str()), (403, Some("urn:bellwire:problem:not-asked")));
    }
    let elsewhere = cluster.token("bob", "test");
    assert_eq!(decide(&pod, &elsewhere, &workflow.path("publish"), json!({ "decision": "approve" })).await.0, 404);
    let no_scope = cluster.token_with("prod", |claims| {
        claims.sub = "bob".to_owned();
        claims.scope = "publish".to_owned();
    });
    assert_eq!(decide(&pod, &no_scope, &workflow.path("publish"), json!({ "decision": "approve" })).await.0, 403);
    asked(&pod, &cluster.token("bob", "prod"), 1).await;
}

async fn a_question_that_nobody_asks_or_a_decision_that_is_none_is_named(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("bob", "prod");
    let workflow = Workflow::new(&cluster);
    workflow.ask("publish", "user:bob").await;
    asked(&pod, &token, 1).await;
    let other = Workflow::new(&cluster);
    for path in [workflow.path("other"), workflow.path("..%2Fx"), other.path("publish"), "/api/tasks/x/steps/y".into()]
    {
        assert_eq!(decide(&pod, &token, &path, json!({ "decision": "approve" })).await.0, 404, "{path}");
    }
    for (body, names) in [
        (json!({}), "decision"),
        (json!({ "decision": "maybe" }), "maybe"),
        (json!({ "decision": "approve", "why": "x" }), "why"),
        (json!({ "decision": "approve", "comment": "x".repeat(501) }), "comment"),
    ] {
        let (status, problem) = decide(&pod, &token, &workflow.path("publish"), body).await;
        assert_eq!((status, problem["type"].as_str()), (400, Some("urn:bellwire:problem:invalid-decision")));
        assert!(problem["detail"].as_str().unwrap().contains(names), "{problem}");
    }
    let longest = json!({ "decision": "reject", "comment": "ü".repeat(500) });
    assert_eq!(decide(&pod, &token, &workflow.path("publish"), longest).await.0, 200);
}

async fn what_a_run_asked_is_gone_with_its_end(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("bob", "prod");
    let workflow = Workflow::new(&cluster);
    workflow.ask("publish", "user:bob").await;
    asked(&pod, &token, 1).await;
    workflow.end().await;
    asked(&pod, &token, 0).await;
    assert_eq!(decide(&pod, &token, &workflow.path("publish"), json!({ "decision": "approve" })).await.0, 404);
}

async fn nobody_asks_or_answers_by_publishing_an_event(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("app", "prod");
    for word in ["asked", "decided"] {
        let mut forged = event("x", "user:bob");
        forged["type"] = format!("bellwire.approval.{word}").into();
        let (status, problem) = pod.try_publish("/api/events", &token, &forged).await;
        assert_eq!((status, problem["type"].as_str()), (403, Some("urn:bellwire:problem:event-reserved")));
    }
}

async fn a_question_that_a_list_does_not_have_yet_follows_its_cursor_on_any_pod(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let bob = cluster.token("bob", "prod");
    let (_, list) = answer(one.request("GET", "/api/approvals", &bob)).await;
    assert_eq!(list["approvals"], json!([]));
    let cursor = list["cursor"].as_str().expect("the list says up to where it is complete");
    Workflow::new(&cluster).ask("publish", "user:bob").await;
    asked(&two, &bob, 1).await;
    let mut late = scenarios::EventStream::connect(&two.url, &bob, Some(cursor)).await;
    assert_eq!(late.next().await.data["data"]["toast"]["decision"]["step"], "publish");
}
