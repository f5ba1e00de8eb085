//! What a fuzzer begins with: one good input of each shape.

use std::{fs, path::Path};

use model::{audience::Audience, cursor::Cursor, event::Event};
use serde_json::json;
use signalr::{Encoding, Message, Outcome};

/// Lays the seeds into the target's corpus.
pub fn plant(target: &str, seeds: impl IntoIterator<Item = Vec<u8>>) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&corpus).expect("the corpus is a folder of ours");
    for (number, seed) in seeds.into_iter().enumerate() {
        fs::write(corpus.join(format!("seed-{number}")), seed).expect("the corpus is a folder of ours");
    }
}

/// Each kind of message alone and all together, after a byte that says in which pieces they come; and handshakes.
pub fn hub_messages(encoding: Encoding) -> Vec<Vec<u8>> {
    let id = || "1".to_owned();
    let arguments = || vec![json!([null, true, -1, 1.5, u64::MAX]), json!({ "a": "é\u{1e}" })];
    let messages = [
        Message::Invocation { id: None, target: id(), arguments: arguments(), streams: vec![] },
        Message::Invocation { id: Some(id()), target: id(), arguments: vec![], streams: vec![id()] },
        Message::StreamInvocation { id: id(), target: id(), arguments: vec![], streams: vec![] },
        Message::StreamItem { id: id(), item: json!(1) },
        Message::Completion { id: id(), outcome: Outcome::Error(id()) },
        Message::Completion { id: id(), outcome: Outcome::Result(json!(300)) },
        Message::Completion { id: id(), outcome: Outcome::Void },
        Message::CancelInvocation { id: id() },
        Message::Ping,
        Message::Close { error: Some(id()), allow_reconnect: true },
        Message::Ack { sequence: 1 },
        Message::Sequence { sequence: 1 },
    ];
    let written: Vec<_> = messages.iter().map(|message| encoding.write(message)).collect();
    let asked = format!("{{\"protocol\":\"{}\",\"version\":1}}\u{1e}", encoding.as_str());
    let mut seeds: Vec<_> = written.iter().map(|bytes| [&[1], &bytes[..]].concat()).collect();
    seeds.push([&[7], &written.concat()[..]].concat());
    seeds.push(asked.into_bytes());
    if encoding == Encoding::MessagePack {
        seeds.extend(values().map(|item| {
            let body = [b"\x94\x02\x80\xa1x", item].concat();
            [&[1, body.len() as u8], &body[..]].concat()
        }));
    }
    seeds
}

/// What only MessagePack has: binary data, timestamps, an extension, odd keys.
fn values() -> impl Iterator<Item = &'static [u8]> {
    [
        &b"\xc4\x01\xff"[..],
        b"\xd6\xff\0\0\0\x01",
        b"\xd7\xff\0\0\0\0\0\0\0\x01",
        b"\xc7\x0c\xff\0\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xd4\x05\x01",
        b"\xca\x7f\xc0\0\0",
        b"\x83\x01\x02\xc0\x03\x91\xc3\x04",
        b"\xdc\0\x01\xde\0\x01\xd9\x01x\xda\0\x01y",
    ]
    .into_iter()
}

/// An event of each kind.
pub fn events() -> Vec<Vec<u8>> {
    let event = json!({
        "specversion": "1.0", "id": "1", "source": "/x", "type": "t", "subject": "s", "time": "2026-11-22T05:00:00Z",
        "audience": "user:ada group:b environment", "expirytime": "2026-11-22T05:00:00+01:00", "own": 1.5,
        "traceparent": "00", "environment": "e", "cursor": "c", "data": { "any": [1] },
    });
    let toast = json!({
        "level": "info", "title": "t", "body": "b", "action": { "label": "l", "href": "https://a.b/c" },
        "decision": { "task": "01JD0000000000000000000000", "step": "s" },
    });
    let task = json!({
        "id": "01JD0000000000000000000000", "kind": "reports", "title": "t", "state": "failed", "progress": 0.5,
        "attempt": 1, "sequence": 2, "owner": "ada", "created": "2026-11-22T05:00:00Z",
        "updated": "2026-11-22T05:00:00Z", "result": { "rows": 1 }, "error": { "reason": "input", "message": "m" },
    });
    let base = Event::new("/x", "bellwire.task.failed", Audience::user("ada"));
    vec![
        event.to_string().into_bytes(),
        base.clone().with_data(json!({ "toast": toast })).to_json().expect("a small event"),
        base.with_data(json!({ "task": task, "toast": toast })).to_json().expect("a small event"),
        Event::pulse("g-1", 7).to_json().expect("a small event"),
    ]
}

/// Cursors near and far, and what only looks like one.
pub fn cursors() -> Vec<Vec<u8>> {
    let mut texts =
        vec!["now".to_owned(), "+00000000000000900000000".to_owned(), "0ABCDEF00000000900000000".to_owned()];
    texts.extend([0, u64::MAX].map(|offset| Cursor::of(offset, b"x").to_string()));
    texts.into_iter().map(String::into_bytes).collect()
}
