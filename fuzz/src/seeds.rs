//! What a fuzzer begins with: one good input of each shape.

use model::{audience::Audience, cursor::Cursor, event::Event};
use serde_json::json;

/// An event of each kind.
pub(crate) fn events() -> Vec<Vec<u8>> {
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
pub(crate) fn cursors() -> Vec<Vec<u8>> {
    let mut texts =
        vec!["now".to_owned(), "+00000000000000900000000".to_owned(), "0ABCDEF00000000900000000".to_owned()];
    texts.extend([0, u64::MAX].map(|offset| Cursor::of(offset, b"x").to_string()));
    texts.into_iter().map(String::into_bytes).collect()
}

pub(crate) fn audiences() -> Vec<Vec<u8>> {
    let texts =
        ["user:ada", "user:ada  group:ops\tenvironment", "group:é user:a:b", "user: x", "USER:ada", "\u{a0}user:x"];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

pub(crate) fn file_keys() -> Vec<Vec<u8>> {
    let texts = ["01JD/a.csv", "01JD/50% ö?#.csv", "a/..", "../a", "a/b/c", "a/\u{202e}b", "a/ ", "A-9/."];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

pub(crate) fn origins() -> Vec<Vec<u8>> {
    let texts =
        ["https://app.example", "http://[::1]:8080, capacitor://localhost", "*", "null", "https://*.example", ","];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

pub(crate) fn settings() -> Vec<Vec<u8>> {
    let texts = [
        "gateway.window=24h\ngateway.window_bytes=256MiB\ngateway.listen=[::1]:80\ngateway.origins=https://a.b",
        "gateway.grace=99999999999999999999y 1ns\ngateway.largest_file=18446744073709551615GiB",
        "gateway.admin_listen=9090\nadmin.host=::\nlog.format=json\nlog.filter=info,x=debug",
        "imports.tables[0]=upload_*\nimports.tables[1]=*\nimports.host.attempts=-1",
        "imports.tables.99=x\nreports.keep=7d\nreports.byte_limit= 1 GiB\nworkflows.kinds[0]=imports",
        "gateway..x=1\n=\ngateway=1\nenvironment[0].name=prod",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}
