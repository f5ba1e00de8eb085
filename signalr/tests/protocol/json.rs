use serde_json::{Value, json};
use signalr::{Message, Outcome, json as encoding};

use crate::given::{call, close, completion, words};

fn read(message: &Value) -> Message {
    encoding::read(message.to_string().as_bytes()).unwrap().unwrap()
}

fn wrong(message: &str) -> String {
    words(encoding::read(message.as_bytes()))
}

#[test]
fn the_examples_of_the_specification_are_read() {
    let arguments = [json!(42), json!("Test Message")];
    let id = || "123".to_owned();
    for (example, expected) in [
        (
            json!({"type": 1, "invocationId": "123", "target": "Send", "arguments": [42, "Test Message"]}),
            call(Some("123"), "Send", &arguments),
        ),
        (json!({"type": 1, "target": "Send", "arguments": [42, "Test Message"]}), call(None, "Send", &arguments)),
        (
            json!({"type": 1, "invocationId": "123", "target": "Send", "arguments": [42], "streamIds": ["1"]}),
            Message::Invocation {
                id: Some(id()),
                target: "Send".to_owned(),
                arguments: vec![json!(42)],
                streams: vec!["1".to_owned()],
            },
        ),
        (
            json!({"type": 4, "invocationId": "123", "target": "Send", "arguments": [42, "Test Message"]}),
            Message::StreamInvocation {
                id: id(),
                target: "Send".to_owned(),
                arguments: arguments.to_vec(),
                streams: Vec::new(),
            },
        ),
        (json!({"type": 2, "invocationId": "123", "item": 42}), Message::StreamItem { id: id(), item: json!(42) }),
        (json!({"type": 3, "invocationId": "123"}), completion("123", Outcome::Void)),
        (json!({"type": 3, "invocationId": "123", "result": 42}), completion("123", Outcome::Result(json!(42)))),
        (
            json!({"type": 3, "invocationId": "123", "error": "It didn't work!"}),
            completion("123", Outcome::Error("It didn't work!".to_owned())),
        ),
        (json!({"type": 5, "invocationId": "123"}), Message::CancelInvocation { id: id() }),
        (json!({"type": 6}), Message::Ping),
        (json!({"type": 7}), close(None, false)),
        (json!({"type": 7, "error": "Because!"}), close(Some("Because!"), false)),
        (json!({"type": 7, "error": "Because!", "allowReconnect": true}), close(Some("Because!"), true)),
        (json!({"type": 8, "sequenceId": 1394}), Message::Ack { sequence: 1394 }),
        (json!({"type": 9, "sequenceId": 1234}), Message::Sequence { sequence: 1234 }),
        (
            json!({"type": 1, "headers": {"Foo": "Bar"}, "target": "Send", "arguments": [42, "Test Message"]}),
            call(None, "Send", &arguments),
        ),
    ] {
        assert_eq!(read(&example), expected, "{example}");
    }
}

#[test]
fn messages_are_written_as_the_reference_server_writes_them() {
    for (message, expected) in [
        (call(None, "Send", &[json!(42)]), r#"{"type":1,"target":"Send","arguments":[42]}"#),
        (call(Some("1"), "Send", &[]), r#"{"type":1,"invocationId":"1","target":"Send","arguments":[]}"#),
        (Message::StreamItem { id: "1".to_owned(), item: Value::Null }, r#"{"type":2,"invocationId":"1","item":null}"#),
        (completion("1", Outcome::Void), r#"{"type":3,"invocationId":"1"}"#),
        (completion("1", Outcome::Result(Value::Null)), r#"{"type":3,"invocationId":"1","result":null}"#),
        (completion("1", Outcome::Error("no".to_owned())), r#"{"type":3,"invocationId":"1","error":"no"}"#),
        (Message::Ping, r#"{"type":6}"#),
        (close(None, false), r#"{"type":7}"#),
        (close(Some("slow"), true), r#"{"type":7,"error":"slow","allowReconnect":true}"#),
        (Message::Ack { sequence: 3 }, r#"{"type":8,"sequenceId":3}"#),
    ] {
        assert_eq!(String::from_utf8(encoding::write(&message)).unwrap(), format!("{expected}\x1e"));
    }
}

#[test]
fn a_call_is_written_around_json_that_is_there_already() {
    let written = encoding::write_call("a\"b", br#"{"x":[1, 2]}"#);
    assert_eq!(written, b"{\"type\":1,\"target\":\"a\\\"b\",\"arguments\":[{\"x\":[1, 2]}]}\x1e");
}

#[test]
fn a_separator_inside_a_text_is_escaped() {
    let written = encoding::write(&call(None, "\u{1e}", &[json!("\u{1e}")]));
    assert_eq!(written.iter().filter(|&&byte| byte == encoding::SEPARATOR).count(), 1);
}

#[test]
fn an_invocation_id_that_is_null_or_empty_is_none() {
    for id in [json!(null), json!("")] {
        let message = json!({"type": 1, "invocationId": id, "target": "Send", "arguments": []});
        assert_eq!(read(&message), call(None, "Send", &[]));
    }
}

#[test]
fn properties_come_in_any_order_and_unknown_ones_are_tolerated() {
    let message = json!({"x": {}, "arguments": [1], "headers": 7, "target": "Send", "type": 1, "item": 2});
    assert_eq!(read(&message), call(None, "Send", &[json!(1)]));
}

#[test]
fn a_type_that_nobody_knows_is_ignored_whatever_it_carries() {
    for message in [r#"{"type":10}"#, r#"{"type":-1,"target":7,"arguments":{}}"#] {
        assert_eq!(encoding::read(message.as_bytes()), Ok(None));
    }
}

#[test]
fn what_a_message_lacks_or_has_wrong_is_named() {
    for (message, expected) in [
        ("{}", "`type` is missing"),
        (r#"{"type":"1"}"#, "`type` must be a whole number; it is text"),
        (r#"{"type":1.5}"#, "`type` must be a whole number"),
        (r#"{"type":1,"arguments":[]}"#, "`target` is missing"),
        (r#"{"type":1,"arguments":[],"target":""}"#, "`target` may not be empty"),
        (r#"{"type":1,"target":"Send"}"#, "`arguments` is missing"),
        (r#"{"type":1,"target":"Send","arguments":null}"#, "`arguments` must be an array; it is null"),
        (
            r#"{"type":1,"target":"Send","arguments":[],"invocationId":7}"#,
            "`invocationId` must be text; it is a number",
        ),
        (r#"{"type":1,"target":"Send","arguments":[],"streamIds":[7]}"#, "`streamIds` must be an array of texts"),
        (r#"{"type":4,"target":"Send","arguments":[]}"#, "`invocationId` is missing"),
        (r#"{"type":2,"invocationId":"1"}"#, "`item` is missing"),
        (r#"{"type":3,"result":1}"#, "`invocationId` is missing"),
        (r#"{"type":3,"invocationId":"1","result":1,"error":"no"}"#, "`error` or `result`, not both"),
        (r#"{"type":5,"invocationId":""}"#, "`invocationId` may not be empty"),
        (r#"{"type":7,"allowReconnect":1}"#, "`allowReconnect` must be true or false"),
        (r#"{"type":8}"#, "`sequenceId` is missing"),
        (r#"{"type":9,"sequenceId":-1}"#, "`sequenceId` must be a whole number from 0 on"),
        ("[1]", "a message is a JSON object"),
        ("", "a message is a JSON object"),
        (r#"{"type":6} {}"#, "trailing characters"),
    ] {
        let words = wrong(message);
        assert!(words.contains(expected), "{message}: {words}");
    }
}
