//! What one person may take, and that no other notices.

use std::time::Duration;

use backplane::Destination;
use bytes::Bytes;
use futures_util::{StreamExt, future::join_all, stream};
use gateway::GatewayConfig;
use model::{Event, Job, Kind, Task, TaskId, TaskState};
use scenarios::{
    Cluster, Hub, Pod, cluster::answer, hub::Transport, over_both_backplanes, test_backplane::Role, until,
};
use serde_json::{Value, json};
use signalr::{Encoding, Outcome};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    time::timeout,
};

over_both_backplanes! {
    a_person_has_so_many_unfinished_tasks_and_others_start_theirs,
    a_burst_of_tasks_does_not_outrun_the_log,
    a_task_is_shown_to_its_owner_whoever_hears_of_it,
    nobody_can_work_out_the_task_of_anothers_key,
    a_job_that_is_refused_leaves_nothing_in_storage,
    a_list_shows_the_small_fields_of_a_result_and_the_task_all_of_it,
    a_body_that_stalls_or_trickles_is_refused_and_nothing_of_it_is_kept,
    a_download_that_nobody_reads_is_ended,
    a_person_has_so_many_requests_at_once_and_others_are_answered,
    json_that_would_take_much_memory_is_refused_before_it_is_read,
    one_key_sent_by_many_requests_at_once_starts_one_job,
    a_client_that_leaves_while_it_starts_a_task_finds_it_with_its_key,
}

const JSON: (Transport, Encoding) = (Transport::WebSockets, Encoding::Json);

fn kind() -> Kind {
    "patient".parse().unwrap()
}

async fn start(pod: &Pod, token: &str, key: Option<&str>, input: Value) -> (u16, Value) {
    let body = json!({ "kind": "patient", "input": input }).to_string();
    let mut request = pod.request("POST", "/api/tasks", token).body(body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    answer(request).await
}

async fn listed(pod: &Pod, token: &str) -> Vec<Value> {
    answer(pod.request("GET", "/api/tasks", token)).await.1["tasks"].as_array().unwrap().clone()
}

/// Makes the queue of the jobs, which nobody takes.
async fn with_queue(cluster: &Cluster) {
    let worker = cluster.worker("prod", crate::tasks::Patient::new()).await;
    let backplane = cluster.test_backplane.backplane(&"prod".parse().unwrap(), Role::Gateway);
    until("the queue is there", async || {
        let job = Job::new(TaskId::new(), kind(), "nobody", "x", Value::Null);
        backplane.jobs.submit(&job).await.is_ok().then_some(())
    })
    .await;
    worker.stop().await;
}

/// Says what a worker says about a task.
async fn say(cluster: &Cluster, task: &Task, audience: &str) {
    let backplane = cluster.test_backplane.backplane(&"prod".parse().unwrap(), Role::Worker(&kind()));
    let event = Event::of_task("/functions/patient", audience.parse().unwrap(), task, None);
    backplane.log.publish(Destination::Own, &event).await.unwrap();
}

fn task(owner: &str, state: TaskState) -> Task {
    Task { attempt: 1, sequence: 1, ..Task::of(&Job::new(TaskId::new(), kind(), owner, "Wait", Value::Null), state) }
}

async fn a_person_has_so_many_unfinished_tasks_and_others_start_theirs(cluster: Cluster) {
    let pod = cluster.pod_with(GatewayConfig { tasks_per_user: 3, ..GatewayConfig::default() }).await;
    with_queue(&cluster).await;
    let (ada, bob) = (cluster.token("ada", "prod"), cluster.token("bob", "prod"));
    let mut ids = Vec::new();
    for n in 0..3 {
        let (status, task) = start(&pod, &ada, Some(&format!("k{n}")), Value::Null).await;
        assert_eq!(status, 202, "{task}");
        ids.push(task["id"].clone());
    }
    let refused = pod.request("POST", "/api/tasks", &ada).body(json!({ "kind": "patient" }).to_string());
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(problem["type"], "urn:bellwire:problem:too-many-tasks");
    let mut hub = Hub::connect(&pod.url, &ada, JSON, "").await;
    let outcome = hub.invoke("StartTask", vec![json!("patient"), Value::Null]).await;
    assert!(matches!(&outcome, Outcome::Error(words) if words.contains("too-many-tasks")), "{outcome:?}");
    let (status, known) = start(&pod, &ada, Some("k1"), Value::Null).await;
    assert_eq!((status, &known["id"]), (202, &ids[1]), "what was started before is no new task");
    assert_eq!(start(&pod, &bob, None, Value::Null).await.0, 202);
    // A workflow's steps are the worker's to bound, and do not keep their owner from starting something.
    for _ in 0..5 {
        say(&cluster, &Task { parent: Some(TaskId::new()), ..task("bob", TaskState::Running) }, "user:bob").await;
    }
    assert_eq!(start(&pod, &bob, None, Value::Null).await.0, 202);
    let id = ids[0].as_str().unwrap();
    assert_eq!(answer(pod.request("DELETE", &format!("/api/tasks/{id}"), &ada)).await.0, 202);
    // Its job still takes a place in the queue, until a worker has taken it out.
    until("it is cancelled", async || {
        listed(&pod, &ada).await.iter().any(|task| task["state"] == "cancelled").then_some(())
    })
    .await;
    assert_eq!(start(&pod, &ada, None, Value::Null).await.0, 429);
    say(&cluster, &Task { id: id.parse().unwrap(), ..task("ada", TaskState::Cancelled) }, "user:ada").await;
    until("there is room again", async || (start(&pod, &ada, None, Value::Null).await.0 == 202).then_some(())).await;
}

async fn a_burst_of_tasks_does_not_outrun_the_log(cluster: Cluster) {
    let pod = cluster.pod_with(GatewayConfig { tasks_per_user: 3, ..GatewayConfig::default() }).await;
    with_queue(&cluster).await;
    let ada = cluster.token("ada", "prod");
    let answers = join_all((0..20).map(|_| start(&pod, &ada, None, Value::Null))).await;
    let accepted = answers.iter().filter(|(status, _)| *status == 202).count();
    let refused = answers.iter().filter(|(status, _)| *status == 429).count();
    assert_eq!((accepted, refused), (3, 17));
    // What the broker refuses is no task, and counts for nothing.
    let bob = cluster.token("bob", "prod");
    let unknown = json!({ "kind": "nobody-does-this" }).to_string();
    for _ in 0..5 {
        let (status, problem) = answer(pod.request("POST", "/api/tasks", &bob).body(unknown.clone())).await;
        assert_eq!(status, 422, "{problem}");
    }
}

async fn a_task_is_shown_to_its_owner_whoever_hears_of_it(cluster: Cluster) {
    let pod = cluster.pod().await;
    let ada = cluster.token("ada", "prod");
    let bob = cluster.token_with("prod", |claims| (claims.sub, claims.groups) = ("bob".into(), vec!["ops".into()]));
    let mut bobs = scenarios::EventStream::connect(&pod.url, &bob, None).await;
    let run = task("ada", TaskState::Running);
    let step = Task { parent: Some(run.id), ..task("ada", TaskState::Running) };
    let everyones = task("ada", TaskState::Running);
    let nobodys = Task { owner: None, ..task("ada", TaskState::Running) };
    say(&cluster, &run, "group:ops").await;
    say(&cluster, &step, "group:ops").await;
    say(&cluster, &everyones, "environment").await;
    say(&cluster, &nobodys, "environment user:ada").await;
    // Neither the end of ada's task nor a step in her run is bob's to tell of.
    say(
        &cluster,
        &Task { owner: Some("bob".into()), sequence: 9, state: TaskState::Succeeded, ..run.clone() },
        "group:ops",
    )
    .await;
    say(&cluster, &Task { parent: Some(run.id), ..task("bob", TaskState::Running) }, "group:ops").await;
    for _ in 0..6 {
        bobs.next().await;
    }
    assert_eq!(listed(&pod, &bob).await, [] as [Value; 0], "bob heard of all, and owns none");
    for id in [run.id, step.id, everyones.id, nobodys.id] {
        assert_eq!(answer(pod.request("GET", &format!("/api/tasks/{id}"), &bob)).await.0, 404);
    }
    let (_, shown) = answer(pod.request("GET", &format!("/api/tasks/{}", run.id), &ada)).await;
    assert_eq!(shown["state"], "running", "an event that names another owner changes nothing");
    let mut ids: Vec<_> = listed(&pod, &ada).await.iter().map(|task| task["id"].clone()).collect();
    ids.sort_by_key(Value::to_string);
    let mut expected = [json!(run.id), json!(everyones.id)];
    expected.sort_by_key(Value::to_string);
    assert_eq!(ids, expected, "a task without an owner is nobody's");
    let path = format!("/api/tasks?parent={}", run.id);
    let (_, steps) = answer(pod.request("GET", &path, &ada)).await;
    assert_eq!(steps["tasks"].as_array().unwrap().len(), 1, "{steps}");
    assert_eq!(answer(pod.request("GET", &path, &bob)).await.1["tasks"], json!([]));
    say(&cluster, &Task { sequence: 2, owner: Some("ada".into()), ..nobodys.clone() }, "user:ada").await;
    until("it has an owner", async || (listed(&pod, &ada).await.len() == 3).then_some(())).await;
}

async fn nobody_can_work_out_the_task_of_anothers_key(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    with_queue(&cluster).await;
    let ada = cluster.token("ada", "prod");
    let (_, first) = start(&one, &ada, Some("monday"), Value::Null).await;
    let (_, again) = start(&two, &ada, Some("monday"), Value::Null).await;
    assert_eq!(first["id"], again["id"], "one key is one task on every pod");
    let guessed = TaskId::derived(&"prod".parse().unwrap(), "ada", "monday");
    assert_ne!(first["id"], json!(guessed), "names alone are enough to work it out");
    let (_, bobs) = start(&one, &cluster.token("bob", "prod"), Some("monday"), Value::Null).await;
    assert_ne!(first["id"], bobs["id"]);
}

async fn a_job_that_is_refused_leaves_nothing_in_storage(cluster: Cluster) {
    let pod = cluster.pod_with(GatewayConfig { tasks_per_user: 1, ..GatewayConfig::default() }).await;
    let ada = cluster.token("ada", "prod");
    let large = json!({ "how": "x".repeat(100 << 10) });
    let body = json!({ "kind": "nobody-does-this", "input": large }).to_string();
    assert_eq!(answer(pod.request("POST", "/api/tasks", &ada).body(body)).await.0, 422);
    assert_eq!(cluster.stored_files(), [] as [std::path::PathBuf; 0]);
    with_queue(&cluster).await;
    assert_eq!(start(&pod, &ada, None, large.clone()).await.0, 202);
    assert_eq!(start(&pod, &ada, None, large).await.0, 429);
    assert_eq!(cluster.stored_files().len(), 1);
}

async fn a_list_shows_the_small_fields_of_a_result_and_the_task_all_of_it(cluster: Cluster) {
    let pod = cluster.pod().await;
    let ada = cluster.token("ada", "prod");
    let result = json!({ "rows": 7, "log": "x".repeat(50_000), "rejected": { "rows": 1, "href": "/api/files/a/b" } });
    let done = Task { result: Some(result.clone()), ..task("ada", TaskState::Succeeded) };
    say(&cluster, &done, "user:ada").await;
    let listed = until("it is listed", async || listed(&pod, &ada).await.pop()).await;
    assert_eq!(listed["result"], json!({ "rows": 7, "rejected": { "rows": 1, "href": "/api/files/a/b" } }));
    let (_, whole) = answer(pod.request("GET", &format!("/api/tasks/{}", done.id), &ada)).await;
    assert_eq!(whole["result"], result);
}

/// Sends the head of a request and the beginning of its body; then `trickle` again and again. Returns the answer.
async fn stalled(pod: &Pod, request: &str, token: &str, trickle: &[u8]) -> String {
    let address = pod.url.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-length: 100000\r\n\
         content-type: application/cloudevents+json\r\n\r\n{{"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = socket.split();
    let mut answer = String::new();
    let trickling = async {
        let mut pause = tokio::time::interval(Duration::from_millis(50));
        loop {
            pause.tick().await;
            writing.write_all(trickle).await.ok();
        }
    };
    tokio::select! {
        read = reading.read_to_string(&mut answer) => drop(read.ok()),
        () = trickling => {}
        () = tokio::time::sleep(scenarios::TIMEOUT) => panic!("{request} was neither answered nor ended: {answer}"),
    }
    answer
}

async fn a_body_that_stalls_or_trickles_is_refused_and_nothing_of_it_is_kept(cluster: Cluster) {
    let config = GatewayConfig {
        body_silence: Duration::from_millis(300),
        body_deadline: Duration::from_secs(1),
        upload_rate: 1 << 20,
        ..GatewayConfig::default()
    };
    let pod = cluster.pod_with(config).await;
    let ada = cluster.token("ada", "prod");
    for request in ["PUT /api/files/x.csv", "POST /api/tasks", "POST /api/events", "POST /api/tasks/x/steps/y"] {
        for trickle in [&b""[..], b" "] {
            let answer = stalled(&pod, request, &ada, trickle).await;
            assert!(answer.starts_with("HTTP/1.1 408"), "{request}: {answer}");
            assert!(answer.contains("connection: close") && answer.contains("request-too-slow"), "{request}: {answer}");
        }
    }
    until("nothing is kept", async || cluster.stored_files().is_empty().then_some(())).await;
    let quick = pod.request("PUT", "/api/files/x.csv", &ada).body("a,b\n1,2\n");
    assert_eq!(answer(quick).await.0, 201);
}

async fn a_download_that_nobody_reads_is_ended(cluster: Cluster) {
    let config = GatewayConfig { body_silence: Duration::from_millis(300), ..GatewayConfig::default() };
    let pod = cluster.pod_with(config).await;
    let ada = cluster.token("ada", "prod");
    // More than both ends of a connection hold for each other.
    let (_, stored) = answer(pod.request("PUT", "/api/files/large.bin", &ada).body(vec![7; 64 << 20])).await;
    let address = pod.url.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let path = stored["href"].as_str().unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {ada}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let is_open = || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        let file = cluster.stored_files().pop().unwrap();
        targets.into_iter().any(|target| target == file)
    };
    until("the download begins", async || is_open().then_some(())).await;
    until("its file is let go", async || (!is_open()).then_some(())).await;
    let mut came = Vec::new();
    socket.read_to_end(&mut came).await.ok();
    assert!(came.len() < 64 << 20, "it was never whole");
}

async fn a_person_has_so_many_requests_at_once_and_others_are_answered(cluster: Cluster) {
    let pod = cluster.pod_with(GatewayConfig { requests_per_user: 2, ..GatewayConfig::default() }).await;
    let (ada, bob) = (cluster.token("ada", "prod"), cluster.token("bob", "prod"));
    let mut uploads = Vec::new();
    let mut ends = Vec::new();
    for _ in 0..2 {
        let (end, ended) = oneshot::channel::<()>();
        let rest = stream::once(async move { ended.await.map(|()| Bytes::new()).map_err(std::io::Error::other) });
        let content = stream::once(async { Ok(Bytes::from_static(b"a")) }).chain(rest);
        let request = pod.request("PUT", "/api/files/x", &ada).body(reqwest::Body::wrap_stream(content));
        uploads.push(tokio::spawn(answer(request)));
        ends.push(end);
    }
    let refused = until("both uploads are under way", async || {
        let response = pod.request("GET", "/api/tasks", &ada).send().await.unwrap();
        (response.status() == 429).then_some(response)
    })
    .await;
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(problem["type"], "urn:bellwire:problem:too-many-requests");
    let mut hub = Hub::connect(&pod.url, &ada, JSON, "").await;
    let outcome = hub.invoke("ListTasks", vec![]).await;
    assert!(matches!(&outcome, Outcome::Error(words) if words.contains("too-many-requests")), "{outcome:?}");
    assert_eq!(answer(pod.request("GET", "/api/tasks", &bob)).await.0, 200);
    for end in ends {
        end.send(()).unwrap();
    }
    for upload in uploads {
        assert_eq!(upload.await.unwrap().0, 201);
    }
    assert_eq!(answer(pod.request("GET", "/api/tasks", &ada)).await.0, 200);
}

async fn json_that_would_take_much_memory_is_refused_before_it_is_read(cluster: Cluster) {
    let pod = cluster.pod().await;
    with_queue(&cluster).await;
    let ada = cluster.token("ada", "prod");
    // Seven bytes of each are hundreds once they are read.
    let objects = |count: usize| format!("{{\"kind\":\"patient\",\"input\":[{}0]}}", "{\"\":0},".repeat(count));
    let (status, problem) = answer(pod.request("POST", "/api/tasks", &ada).body(objects(500_000))).await;
    assert_eq!((status, &problem["type"]), (413, &json!("urn:bellwire:problem:request-too-large")), "{problem}");
    assert_eq!(answer(pod.request("POST", "/api/tasks", &ada).body(objects(1000))).await.0, 202);
    let long = json!({ "kind": "patient", "input": "x".repeat(3 << 20) }).to_string();
    assert_eq!(answer(pod.request("POST", "/api/tasks", &ada).body(long)).await.0, 202);
    // An event is read by every process of its environment, so it may have fewer.
    let mut small = scenarios::cluster::event("small", "user:ada");
    small["data"]["values"] = (0..8000).map(|_| json!({ "": 0 })).collect();
    let (status, problem) = pod.try_publish("/api/events", &cluster.token("app", "prod"), &small).await;
    assert_eq!((status, &problem["type"]), (413, &json!("urn:bellwire:problem:event-too-large")), "{problem}");
    let batch = format!("[{}0]", "{\"\":0},".repeat(140_000));
    let request = pod.request("POST", "/api/events", &ada).body(batch);
    let request = request.header("content-type", "application/cloudevents-batch+json");
    assert_eq!(answer(request).await.0, 413);
}

async fn one_key_sent_by_many_requests_at_once_starts_one_job(cluster: Cluster) {
    let pod = cluster.pod().await;
    with_queue(&cluster).await;
    let ada = cluster.token("ada", "prod");
    let backplane = cluster.test_backplane.backplane(&"prod".parse().unwrap(), Role::Gateway);
    let waiting = async || backplane.jobs.depth(&kind()).await.unwrap().waiting;
    let before = waiting().await;
    let answers = join_all((0..24).map(|_| start(&pod, &ada, Some("once"), Value::Null))).await;
    assert!(answers.iter().all(|(status, task)| *status == 202 && task["id"] == answers[0].1["id"]), "{answers:?}");
    assert_eq!(waiting().await, before + 1);
}

async fn a_client_that_leaves_while_it_starts_a_task_finds_it_with_its_key(cluster: Cluster) {
    let pod = cluster.pod().await;
    with_queue(&cluster).await;
    let ada = cluster.token("ada", "prod");
    let backplane = cluster.test_backplane.backplane(&"prod".parse().unwrap(), Role::Gateway);
    let waiting = async || backplane.jobs.depth(&kind()).await.unwrap().waiting;
    let (before, keys) = (waiting().await, 60_u32);
    // Whatever the pod is doing when the client leaves.
    let starts = async |key: u32| start(&pod, &ada, Some(&key.to_string()), Value::Null).await;
    for key in 0..keys {
        timeout(Duration::from_micros(100) * key, starts(key)).await.ok();
    }
    for key in 0..keys {
        let (status, answer) = starts(key).await;
        assert_eq!(status, 202, "{key}: {answer}");
    }
    assert_eq!(waiting().await, before + u64::from(keys));
}
