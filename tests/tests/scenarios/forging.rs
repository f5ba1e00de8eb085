//! Who may write to the broker still cannot say what only a gateway or a worker knows.

use async_trait::async_trait;
use backplane::Destination;
use model::{
    Audience, Environment, Event, Job, Kind, Task, TaskId, TaskState, Toast,
    approval::{Answer, Decision, Details, Question, Telling},
    event::PULSE,
    job::WORKFLOWS,
    toast::Level,
};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{
    Cluster, EventStream, Pod,
    cluster::{answer, event, granted},
    over_both_backplanes,
    test_backplane::{ENVIRONMENTS, Role},
    until,
};
use serde_json::{Value, json};

over_both_backplanes! {
    a_job_that_no_gateway_granted_is_given_up_and_its_claimed_owner_hears_nothing,
    a_retried_job_is_still_its_owners,
    a_forged_answer_neither_decides_nor_keeps_the_true_one_away,
    a_forged_question_neither_hides_the_true_one_nor_takes_its_answer,
    a_publisher_says_nothing_that_only_gateways_and_workers_say,
    nobody_takes_the_id_of_a_tasks_end_before_it_ends,
    no_task_is_of_every_environment,
}

/// Is done at once, and fails once before if that is its input.
struct Quick;

#[async_trait]
impl Function for Quick {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        kind("quick")
    }

    async fn run(&self, context: &Context, input: Value) -> Result<Completion<Value>, Failure> {
        if input == "fail once" && context.attempt == 1 {
            return Err(Failure::passing("It fails once.", std::io::Error::other("a test")));
        }
        Ok(Completion { output: json!({}), toast: Toast::new(Level::Success, "Done") })
    }
}

fn prod() -> Environment {
    "prod".parse().unwrap()
}

fn kind(name: &str) -> Kind {
    name.parse().unwrap()
}

fn job(owner: &str) -> Job {
    Job::new(TaskId::new(), kind("quick"), owner, "A job", json!({}))
}

/// Publishes as somebody of this role.
async fn publish(cluster: &Cluster, role: Role<'_>, event: &Event) {
    let destination = match role {
        Role::Publisher => Destination::Publishers,
        Role::Everywhere => Destination::Everywhere,
        Role::Gateway | Role::Worker(_) => Destination::Own,
    };
    cluster.test_backplane.backplane(&prod(), role).log.publish(destination, event).await.unwrap();
}

/// The next event is the one that is published now: nothing was delivered before.
async fn nothing_was_heard(cluster: &Cluster, pod: &Pod, browser: &mut EventStream) {
    let end = TaskId::new().to_string();
    pod.publish(&cluster.token("app", "prod"), &event(&end, "environment")).await;
    assert_eq!(browser.next_ids(1).await, [end]);
}

async fn start(pod: &Pod, token: &str, input: Value) -> TaskId {
    let body = json!({ "kind": "quick", "input": input }).to_string();
    until("the task is taken", async || {
        let (status, task) = answer(pod.request("POST", "/api/tasks", token).body(body.clone())).await;
        (status == 202).then(|| task["id"].as_str().unwrap().parse().unwrap())
    })
    .await
}

async fn in_state(pod: &Pod, token: &str, id: TaskId, state: &str) {
    until(&format!("the task is {state}"), async || {
        let (_, task) = answer(pod.request("GET", &format!("/api/tasks/{id}"), token)).await;
        (task["state"] == state).then_some(())
    })
    .await;
}

async fn a_job_that_no_gateway_granted_is_given_up_and_its_claimed_owner_hears_nothing(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let _worker = cluster.worker("prod", Quick).await;
    let mine = granted(&prod(), job("eve"));
    let run = granted(&prod(), Job { kind: kind(WORKFLOWS), ..job("eve") });
    let forged = [
        job("ada"),
        Job { owner: "ada".to_owned(), ..mine.clone() },
        Job { groups: vec!["board".to_owned()], ..mine.clone() },
        Job { task: TaskId::new(), ..mine },
        Job { parent: Some(run.task), grant: run.grant, ..job("ada") },
        granted(&"test".parse().unwrap(), job("ada")),
    ];
    let other = cluster.test_backplane.backplane(&prod(), Role::Worker(&kind("imports")));
    for job in &forged {
        until("the worker has a queue", async || other.jobs.submit(job).await.ok()).await;
    }
    let gateway = cluster.test_backplane.backplane(&prod(), Role::Gateway);
    until("all of them are given up", async || {
        let depth = gateway.jobs.depth(&kind("quick")).await.unwrap();
        (depth.dead == forged.len() as u64).then_some(())
    })
    .await;
    nothing_was_heard(&cluster, &pod, &mut browser).await;
}

async fn a_retried_job_is_still_its_owners(cluster: Cluster) {
    let pod = cluster.pod().await;
    let _worker = cluster.worker("prod", Quick).await;
    let token = cluster.token("ada", "prod");
    let id = start(&pod, &token, json!("fail once")).await;
    in_state(&pod, &token, id, "succeeded").await;
}

async fn a_forged_answer_neither_decides_nor_keeps_the_true_one_away(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let (task, step, worker) = (TaskId::new(), "publish".to_owned(), kind("imports"));
    let (title, question) = ("Airports".to_owned(), "Publish?".to_owned());
    let asked =
        Question { task, step: step.clone(), title, question, owner: "ada".to_owned(), details: Details::default() };
    publish(&cluster, Role::Worker(&worker), &asked.event("user:ada".parse().unwrap(), Telling::default())).await;
    assert_eq!(browser.next().await.data["type"], "bellwire.approval.asked");
    let forged = Answer {
        task,
        digest: asked.digest(&Audience::user("ada")),
        step,
        decision: Decision::Approve,
        by: "ada".to_owned(),
        groups: vec![],
        comment: None,
        values: String::new(),
        signature: "A".repeat(86),
    };
    let to_ada = Audience::user("ada");
    // By the id that all answers to a question once had, and by the one that it has now.
    let guessed = Event { id: format!("{task}.publish.decided"), ..forged.event(to_ada.clone()) };
    for event in [guessed, forged.event(to_ada)] {
        publish(&cluster, Role::Worker(&worker), &event).await;
    }
    nothing_was_heard(&cluster, &pod, &mut browser).await;
    let token = cluster.token("ada", "prod");
    let (_, list) = answer(pod.request("GET", "/api/approvals", &token)).await;
    assert_eq!(list["approvals"].as_array().unwrap().len(), 1, "{list}");
    let path = format!("/api/tasks/{task}/steps/publish");
    let body = json!({ "decision": "reject" }).to_string();
    let (status, accepted) = answer(pod.request("POST", &path, &token).body(body)).await;
    assert_eq!((status, &accepted["decision"]), (200, &json!("reject")), "{accepted}");
    assert_eq!(browser.next().await.data["data"]["answer"]["decision"], "reject");
}

async fn a_forged_question_neither_hides_the_true_one_nor_takes_its_answer(cluster: Cluster) {
    let pod = cluster.pod().await;
    let (task, step) = (TaskId::new(), "publish".to_owned());
    let (bob, mal) = (cluster.token("bob", "prod"), cluster.token("mal", "prod"));
    let asked = |question: &str, audience: &str| {
        let (step, title, question) = (step.clone(), "Airports".to_owned(), question.to_owned());
        let (owner, details) = ("ada".to_owned(), Details::default());
        Question { task, step, title, question, owner, details }.event(audience.parse().unwrap(), Telling::default())
    };
    let (pizza, pay) = ("Shall we order pizza?", "Pay 1,000,000?");
    let worker = kind("imports");
    for forged in [asked(pizza, "user:bob"), asked(pay, "user:mal")] {
        publish(&cluster, Role::Worker(&worker), &forged).await;
    }
    publish(&cluster, Role::Worker(&kind(WORKFLOWS)), &asked(pay, "user:bob")).await;
    let listed = async |token: &str, questions: &[&str]| {
        until(&format!("these are open: {questions:?}"), async || {
            let (_, list) = answer(pod.request("GET", "/api/approvals", token)).await;
            let open = list["approvals"].as_array().unwrap().clone();
            let mut texts: Vec<_> = open.iter().map(|one| one["question"].as_str().unwrap()).collect();
            texts.sort_unstable();
            (texts == questions).then(|| open.clone())
        })
        .await
    };
    let open = listed(&bob, &[pay, pizza]).await;
    let digest = |open: &[Value], question: &str| {
        open.iter().find(|one| one["question"] == question).map(|one| one["digest"].clone()).unwrap()
    };
    let (true_one, forged) = (digest(&open, pay), digest(&open, pizza));
    let mals = digest(&listed(&mal, &[pay]).await, pay);
    let path = format!("/api/tasks/{task}/steps/publish");
    let decide = async |token: &str, digest: Option<&Value>| {
        let mut body = json!({ "decision": "approve" });
        if let Some(digest) = digest {
            body["digest"] = digest.clone();
        }
        answer(pod.request("POST", &path, token).body(body.to_string())).await
    };
    let (status, problem) = decide(&bob, None).await;
    assert_eq!((status, &problem["type"]), (409, &json!("urn:bellwire:problem:several-questions")), "{problem}");
    assert_eq!(decide(&bob, Some(&json!("of no question"))).await.0, 404);
    assert_eq!(decide(&mal, Some(&true_one)).await.0, 403, "the same text, put to others");
    for (token, digest) in [(&bob, &forged), (&mal, &mals)] {
        assert_eq!(decide(token, Some(digest)).await.0, 200);
    }
    listed(&bob, &[pay]).await;
    // Sent again without a word on which, it is not taken for an answer to the other.
    assert_eq!(decide(&bob, None).await.0, 409);
    assert_eq!(decide(&bob, Some(&true_one)).await.0, 200);
    listed(&bob, &[]).await;
}

async fn a_publisher_says_nothing_that_only_gateways_and_workers_say(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let task = Task { attempt: 9, ..Task::of(&job("ada"), TaskState::Succeeded) };
    let to_ada = Audience::user("ada");
    publish(&cluster, Role::Publisher, &Event::of_task("/functions/quick", to_ada.clone(), &task, None)).await;
    for event_type in ["bellwire.approval.decided", "bellwire.approval.asked", "bellwire.new", PULSE] {
        publish(&cluster, Role::Publisher, &Event::new("/x", event_type, to_ada.clone())).await;
    }
    nothing_was_heard(&cluster, &pod, &mut browser).await;
    let (status, _) =
        answer(pod.request("GET", &format!("/api/tasks/{}", task.id), &cluster.token("ada", "prod"))).await;
    assert_eq!(status, 404);
    let message = Event::message("/x", to_ada.clone(), &Toast::new(Level::Info, "Hello"));
    let own = Event::new("/x", "order.shipped", to_ada);
    for event in [message, own] {
        publish(&cluster, Role::Publisher, &event).await;
        assert_eq!(browser.next_ids(1).await, [event.id]);
    }
}

async fn nobody_takes_the_id_of_a_tasks_end_before_it_ends(cluster: Cluster) {
    let pod = cluster.pod().await;
    let task = Task { attempt: 1, ..Task::of(&job("ada"), TaskState::Succeeded) };
    let (to_ada, source) = (Audience::user("ada"), "/functions/quick");
    let end = Event { id: format!("{}.succeeded", task.id), ..Event::of_task(source, to_ada.clone(), &task, None) };
    let taken = Event { id: end.id.clone(), ..Event::new(source, "order.shipped", to_ada) };
    publish(&cluster, Role::Publisher, &taken).await;
    // Over HTTP as well, where the gateway publishes what a publisher says.
    pod.publish(&cluster.token("app", "prod"), &serde_json::to_value(&taken).unwrap()).await;
    publish(&cluster, Role::Worker(&kind("quick")), &end).await;
    in_state(&pod, &cluster.token("ada", "prod"), task.id, "succeeded").await;
}

async fn no_task_is_of_every_environment(cluster: Cluster) {
    let pod = cluster.pod().await;
    let task = Task { attempt: 1, ..Task::of(&job("ada"), TaskState::Succeeded) };
    let end = Event::of_task("/functions/quick", Audience::user("ada"), &task, None);
    publish(&cluster, Role::Everywhere, &end).await;
    for environment in ENVIRONMENTS {
        let mut browser = pod.browser(&cluster, "ada", environment).await;
        pod.publish(&cluster.token("app", environment), &event("sentinel", "user:ada")).await;
        assert_eq!(browser.next_ids(1).await, ["sentinel"]);
        let token = cluster.token("ada", environment);
        assert_eq!(answer(pod.request("GET", &format!("/api/tasks/{}", task.id), &token)).await.0, 404);
    }
    let body = serde_json::to_value(&end).unwrap();
    let (status, problem) = pod.try_publish("/api/events?to=everywhere", &cluster.token("ops", "prod"), &body).await;
    assert_eq!((status, problem["type"].as_str()), (403, Some("urn:bellwire:problem:event-reserved")), "{problem}");
}
