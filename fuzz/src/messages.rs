use backplane::control::ControlMessage;
use model::{Job, PodId, TaskId};
use serde_json::{Value, json};

use crate::pod::POD;

/// A job that was taken is the same job when it is written and read again.
pub fn job(input: &[u8]) {
    let Ok(job) = serde_json::from_slice::<Job>(input) else { return };
    let written = serde_json::to_vec(&job).expect("a job is JSON");
    let read: Job = serde_json::from_slice(&written).expect("what we write can be read");
    assert_eq!(serde_json::to_vec(&read).expect("a job is JSON"), written);
}

/// Jobs with and without all that they may have.
pub fn jobs() -> Vec<Vec<u8>> {
    let kind = "imports".parse().expect("it is a name");
    let mut job = Job::new(TaskId::new(), kind, "ada", "A file", json!({ "file": "01JD/a.csv", "deep": [[[{}]]] }));
    let plain = serde_json::to_vec(&job).expect("a job is JSON");
    job.groups = vec!["ops".to_owned()];
    job.stored_input = Some("01JD/input.json".to_owned());
    job.parent = Some(TaskId::new());
    job.attempts = u32::MAX;
    job.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    vec![plain, serde_json::to_vec(&job).expect("a job is JSON")]
}

/// A pod goes on, whatever comes over the control exchange.
pub fn control_message(input: &[u8]) {
    if let Ok(message) = serde_json::from_slice::<ControlMessage>(input) {
        POD.control(&message);
    } else if let Ok(body) = serde_json::from_slice::<Value>(input) {
        POD.control(&ControlMessage { from: PodId::new("g"), to: None, body });
    }
    POD.check();
}

/// One of each kind, as a pod sends it.
pub fn control_messages() -> Vec<Vec<u8>> {
    let claims = json!({ "sub": "ada", "env": "dev", "groups": [], "scope": "tasks", "exp": 4102444800u64 });
    let token = json!({ "id": "AAAAAAAAAAAAAAAAAAAAAA", "issued": "2026-11-22T05:00:00Z", "home": "g-1" });
    let request = |what: Value| json!({ "ask": { "number": 1, "request": { "token": token, "claims": claims, "after": "now", "what": what } } });
    let bodies = [
        request(json!("poll")),
        request(json!({ "post": "eyJwcm90b2NvbCI6Impzb24iLCJ2ZXJzaW9uIjoxfR4=" })),
        request(json!("delete")),
        json!({ "heard": { "number": 1 } }),
        json!({ "answer": { "number": 1, "reply": { "messages": { "is_text": true, "bytes": "e30e" } } } }),
        json!({ "part": { "number": 1, "at": 0, "is_last": true, "is_text": true, "bytes": "e30e" } }),
        json!({ "got": { "number": u64::MAX } }),
    ];
    bodies.iter().map(|body| body.to_string().into_bytes()).collect()
}
