//! Tasks of which one is unfinished at a time.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use backplane::{Destination, LogItem, ReadFrom};
use jiff::Timestamp;
use model::{Kind, Policies, TaskId, Toast, claim::Claim, toast::Level};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{
    Cluster, Pod,
    cluster::{Worker, answer},
    over_both_backplanes,
    test_backplane::Role,
    until,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

over_both_backplanes! {
    two_requests_at_the_same_moment_on_two_pods_start_one_task,
    a_second_request_is_answered_with_the_task_that_is_there_until_it_has_ended,
    a_definition_says_what_is_unique_whoever_starts_it,
    a_task_that_was_cancelled_or_refused_makes_room,
    a_schedule_of_what_is_unique_and_under_way_starts_nothing_besides,
    no_task_whose_result_goes_to_others_stands_for_another,
    a_key_is_answered_with_its_own_task_whatever_is_unique_meanwhile,
    what_a_gateway_left_behind_is_taken_over_by_the_same_request_and_by_no_other,
}

/// Notes which tasks ran; each run takes one of these.
#[derive(Clone)]
struct Held {
    policies: Policies,
    schedules: Vec<model::Schedule>,
    ran: Arc<Mutex<Vec<TaskId>>>,
    go: Arc<Semaphore>,
}

impl Held {
    fn new(policies: Value) -> Self {
        let policies = serde_json::from_value(policies).unwrap();
        Self { policies, schedules: Vec::new(), ran: Arc::default(), go: Arc::new(Semaphore::new(0)) }
    }

    fn ran(&self) -> Vec<TaskId> {
        self.ran.lock().unwrap().clone()
    }
}

#[async_trait]
impl Function for Held {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "told".parse().unwrap()
    }

    fn policies(&self) -> Policies {
        self.policies.clone()
    }

    fn schedules(&self) -> Vec<model::Schedule> {
        self.schedules.clone()
    }

    async fn run(&self, context: &Context, _: Value) -> Result<Completion<Value>, Failure> {
        tokio::select! {
            permit = self.go.acquire() => permit.unwrap().forget(),
            () = context.stop.cancelled() => return Err(Failure::Stopped),
        }
        self.ran.lock().unwrap().push(context.task);
        Ok(Completion { output: json!({}), toast: Toast::new(Level::Success, "done") })
    }
}

/// A worker that is in the catalogue.
async fn worker(cluster: &Cluster, pods: &[&Pod], function: &Held) -> Worker {
    let worker = cluster.worker("prod", function.clone()).await;
    let token = cluster.token("ada", "prod");
    for pod in pods {
        until("the function is known", async || {
            let (_, known) = answer(pod.request("GET", "/api/functions", &token)).await;
            (!known["functions"].as_array()?.is_empty()).then_some(())
        })
        .await;
    }
    worker
}

async fn post(pod: &Pod, token: &str, body: &Value) -> (u16, Value) {
    answer(pod.request("POST", "/api/tasks", token).body(body.to_string())).await
}

fn id(task: &Value) -> TaskId {
    task["id"].as_str().unwrap().parse().unwrap()
}

async fn ended(pod: &Pod, token: &str, task: TaskId) {
    until("the task has ended", async || {
        let (_, task) = answer(pod.request("GET", &format!("/api/tasks/{task}"), token)).await;
        ["succeeded", "failed", "cancelled"].contains(&task["state"].as_str()?).then_some(())
    })
    .await;
}

async fn two_requests_at_the_same_moment_on_two_pods_start_one_task(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let held = Held::new(json!({}));
    let _worker = worker(&cluster, &[&one, &two], &held).await;
    let token = cluster.token("ada", "prod");
    let mut all = HashSet::new();
    for round in 0..30 {
        let body = json!({ "kind": "told", "unique": "the same" });
        let requests = tokio::join!(
            post(&one, &token, &body),
            post(&two, &token, &body),
            post(&one, &token, &body),
            post(&two, &token, &body)
        );
        let answers = [requests.0, requests.1, requests.2, requests.3];
        let ids: HashSet<_> = answers.iter().map(|(_, task)| id(task)).collect();
        let new: Vec<_> = answers.iter().filter(|(status, _)| *status == 202).collect();
        assert!(ids.len() == 1 && new.len() == 1, "round {round}: {answers:?}");
        assert!(answers.iter().all(|(status, task)| (*status == 200) == (task["existing"] == true)), "{answers:?}");
        let task = ids.into_iter().next().unwrap();
        assert!(all.insert(task), "an id is never used for another run");
        held.go.add_permits(1);
        ended(&one, &token, task).await;
        ended(&two, &token, task).await;
    }
    let mut ran = held.ran();
    ran.sort_unstable();
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_unstable();
    assert_eq!(ran, all, "each ran once");
}

async fn a_second_request_is_answered_with_the_task_that_is_there_until_it_has_ended(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let held = Held::new(json!({}));
    let _worker = worker(&cluster, &[&one, &two], &held).await;
    let (ada, bob) = (cluster.token("ada", "prod"), cluster.token("bob", "prod"));
    let body = json!({ "kind": "told", "unique": "november", "input": { "month": 11 } });
    let (status, first) = post(&one, &ada, &body).await;
    assert_eq!((status, first.get("existing")), (202, None), "{first}");
    // While it waits, and while it runs, whatever else is in the request.
    for state in ["queued", "running"] {
        until("the second is answered with the first", async || {
            let (status, second) = post(&two, &ada, &json!({ "kind": "told", "unique": "november" })).await;
            assert_eq!((status, id(&second), &second["existing"]), (200, id(&first), &json!(true)), "{second}");
            (state == "queued" || second["state"] == state).then_some(())
        })
        .await;
    }
    let others =
        [post(&two, &ada, &json!({ "kind": "told", "unique": "december" })).await, post(&two, &bob, &body).await];
    assert!(others.iter().all(|(status, _)| *status == 202), "{others:?}");
    // A third pod reads it from the log.
    let three = cluster.pod().await;
    assert_eq!(post(&three, &ada, &body).await.0, 200);
    held.go.add_permits(3);
    ended(&two, &ada, id(&first)).await;
    let (status, next) = post(&two, &ada, &body).await;
    assert!(status == 202 && id(&next) != id(&first), "{next}");
    for (bad, words) in
        [(json!(""), "unique: it has 1 to 256"), (json!("x".repeat(257)), "1 to 256"), (json!(7), "unique")]
    {
        let (status, problem) = post(&one, &ada, &json!({ "kind": "told", "unique": bad })).await;
        assert!(status == 400 && problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
}

async fn a_definition_says_what_is_unique_whoever_starts_it(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let definition = |name: &str, unique: Value| json!({ "name": name, "input": { "report": name }, "policy": { "unique": unique } });
    let definitions = json!([definition("mine", json!(["owner", "input.month"])), definition("ours", json!([]))]);
    let held = Held::new(json!({ "definitions": definitions }));
    let _worker = worker(&cluster, &[&one, &two], &held).await;
    let (ada, bob) = (cluster.token("ada", "prod"), cluster.token("bob", "prod"));
    let body = |report: &str, month: u32| json!({ "kind": "told", "input": { "report": report, "month": month } });
    for (pod, token, body, status) in [
        (&one, &ada, body("mine", 1), 202),
        (
            &two,
            &ada,
            json!({ "kind": "told", "title": "Another title", "input": { "month": 1, "report": "mine", "x": 2 } }),
            200,
        ),
        (&two, &ada, body("mine", 2), 202),
        (&two, &bob, body("mine", 1), 202),
        (&two, &ada, body("other", 1), 202),
        (&one, &ada, body("other", 1), 202),
        (&one, &ada, body("ours", 1), 202),
        (&two, &ada, body("ours", 2), 200),
    ] {
        let (answered, task) = post(pod, token, &body).await;
        assert_eq!(answered, status, "{body}: {task}");
    }
    // Whose it is, bob is not told.
    let (status, problem) = post(&two, &bob, &body("ours", 3)).await;
    assert!(status == 409 && problem["type"].as_str().unwrap().ends_with("not-unique"), "{problem}");
    assert!(!problem.to_string().contains("ada"), "{problem}");
}

async fn a_task_that_was_cancelled_or_refused_makes_room(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let body = json!({ "kind": "told", "unique": "one" });
    let (status, problem) = post(&pod, &token, &body).await;
    assert_eq!(status, 422, "there is no worker: {problem}");
    let held = Held::new(json!({}));
    let _worker = worker(&cluster, &[&pod], &held).await;
    let first = until("it is started once there is a worker", async || {
        let (status, task) = post(&pod, &token, &body).await;
        (status == 202).then_some(task)
    })
    .await;
    let path = format!("/api/tasks/{}", id(&first));
    assert_eq!(answer(pod.request("DELETE", &path, &token)).await.0, 202);
    let next = until("another is started", async || {
        let (status, task) = post(&pod, &token, &body).await;
        (status == 202).then_some(task)
    })
    .await;
    assert_ne!(id(&next), id(&first));
    held.go.add_permits(1);
    ended(&pod, &token, id(&next)).await;
    assert_eq!(held.ran(), [id(&next)]);
}

async fn a_schedule_of_what_is_unique_and_under_way_starts_nothing_besides(cluster: Cluster) {
    let config = gateway::GatewayConfig { schedules_for: vec!["user:ada".parse().unwrap()], ..Default::default() };
    let pod = cluster.pod_with(config).await;
    let mut held = Held::new(json!({ "every": { "unique": ["owner"] } }));
    let schedule = json!({
        "name": "a.b", "title": "By itself", "owner": "ada", "input": {}, "time_zone": "UTC", "every": 1, "overlap": "parallel",
    });
    held.schedules = vec![serde_json::from_value(schedule).unwrap()];
    let _worker = worker(&cluster, &[&pod], &held).await;
    let token = cluster.token("ada", "prod");
    let first = until("one has started", async || {
        let (_, list) = answer(pod.request("GET", "/api/tasks", &token)).await;
        list["tasks"].as_array()?.first().map(id)
    })
    .await;
    // Several times pass: what is there stands for each.
    let times = async || {
        let (_, list) = answer(pod.request("GET", "/api/schedules", &token)).await;
        list["schedules"][0]["last"]["time"].as_str().map(str::to_owned)
    };
    let seen = Mutex::new(HashSet::new());
    until("three times have come", async || {
        let time = times().await;
        let mut seen = seen.lock().unwrap();
        seen.extend(time);
        (seen.len() >= 3).then_some(())
    })
    .await;
    let (_, list) = answer(pod.request("GET", "/api/tasks", &token)).await;
    let tasks: Vec<_> = list["tasks"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(tasks, [first]);
}

async fn a_key_is_answered_with_its_own_task_whatever_is_unique_meanwhile(cluster: Cluster) {
    let pod = cluster.pod().await;
    let held = Held::new(json!({}));
    let _worker = worker(&cluster, &[&pod], &held).await;
    let token = cluster.token("ada", "prod");
    let keyed = async |body: &Value| {
        answer(pod.request("POST", "/api/tasks", &token).header("idempotency-key", "K").body(body.to_string())).await
    };
    let body = json!({ "kind": "told", "unique": "x" });
    held.go.add_permits(1);
    let (status, first) = keyed(&body).await;
    assert_eq!(status, 202, "{first}");
    ended(&pod, &token, id(&first)).await;
    let (_, second) = post(&pod, &token, &body).await;
    assert_ne!(id(&first), id(&second));
    let (status, again) = keyed(&body).await;
    assert_eq!((status, id(&again), &again["state"]), (202, id(&first), &json!("succeeded")), "{again}");
    let (status, other) = keyed(&json!({ "kind": "told", "unique": "x", "input": 1 })).await;
    assert_eq!((status, &other["type"]), (422, &json!("urn:bellwire:problem:idempotency-key-reused")));
    held.go.add_permits(1);
    ended(&pod, &token, id(&second)).await;
}

async fn what_a_gateway_left_behind_is_taken_over_by_the_same_request_and_by_no_other(cluster: Cluster) {
    let pod = cluster.pod().await;
    let held = Held::new(json!({}));
    let _worker = worker(&cluster, &[&pod], &held).await;
    let token = cluster.token("ada", "prod");
    let body = json!({ "kind": "told", "unique": "x", "input": 1 });
    let (_, first) = post(&pod, &token, &body).await;
    // What its gateway would have said before it was killed, had it not submitted the job.
    let events = cluster.test_backplane.backplane(&"prod".parse().unwrap(), Role::Gateway);
    let mut log = events.log.read(ReadFrom::Time(Timestamp::UNIX_EPOCH));
    let claim = loop {
        let Some(LogItem::Entry(entry)) = log.items.recv().await else { panic!("the log ended") };
        if let Some(claim) = entry.event.ok().and_then(|event| Claim::of(&event)) {
            break claim;
        }
    };
    held.go.add_permits(1);
    ended(&pod, &token, id(&first)).await;
    let abandoned = Claim { task: TaskId::new(), ..claim };
    events.log.publish(Destination::Own, &abandoned.event("/gateway")).await.unwrap();
    let other = json!({ "kind": "told", "unique": "x", "input": 2 });
    let keyed = pod.request("POST", "/api/tasks", &token).header("idempotency-key", "K").body(body.to_string());
    let ((other, said), (keyed, _)) = tokio::join!(post(&pod, &token, &other), answer(keyed));
    assert_eq!((other, keyed), (503, 503), "{said}");
    let (status, task) = post(&pod, &token, &body).await;
    assert_eq!((status, id(&task)), (202, abandoned.task), "{task}");
    held.go.add_permits(1);
    ended(&pod, &token, abandoned.task).await;
    assert_eq!(held.ran(), [id(&first), abandoned.task]);
}

async fn no_task_whose_result_goes_to_others_stands_for_another(cluster: Cluster) {
    let config = gateway::GatewayConfig { schedules_for: vec!["user:ada".parse().unwrap()], ..Default::default() };
    let pod = cluster.pod_with(config).await;
    let mut held = Held::new(json!({ "every": { "unique": ["owner"] } }));
    let schedule = |name: &str, recipients: &[&str]| {
        let schedule = json!({
            "name": name, "title": "T", "owner": "ada", "input": {}, "time_zone": "UTC", "cron": "0 6 1 1 *", "recipients": recipients,
        });
        serde_json::from_value(schedule).unwrap()
    };
    held.schedules =
        vec![schedule("a.own", &[]), schedule("a.boss", &["user:boss"]), schedule("a.sales", &["group:sales"])];
    let _worker = worker(&cluster, &[&pod], &held).await;
    let token = cluster.token("ada", "prod");
    let run = async |name: &str| {
        let (status, run) = answer(pod.request("POST", &format!("/api/schedules/told/{name}/run"), &token)).await;
        assert_eq!(status, 202, "{run}");
        run["task"].as_str().unwrap().to_owned()
    };
    let own = run("a.own").await;
    let [boss, sales] = [run("a.boss").await, run("a.sales").await];
    assert_eq!(HashSet::from([&own, &boss, &sales]).len(), 3);
    assert_eq!(run("a.own").await, own, "its owner's is unique as before");
}
