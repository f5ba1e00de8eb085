use serde_json::json;
use signalr::{Message, Outcome, messagepack as encoding};

use crate::given::{call, close, completion, words};

const XYZ: &str = "xyz";

fn id() -> String {
    XYZ.to_owned()
}

/// Each example of the specification, with its message.
fn examples() -> Vec<(&'static [u8], Message)> {
    vec![
        (b"\x96\x01\x80\xa3xyz\xa6method\x91\x2a\x90", call(Some(XYZ), "method", &[json!(42)])),
        (b"\x96\x01\x80\xc0\xa6method\x91\x2a\x90", call(None, "method", &[json!(42)])),
        (
            b"\x96\x04\x80\xa3xyz\xa6method\x91\x2a\x90",
            Message::StreamInvocation {
                id: id(),
                target: "method".to_owned(),
                arguments: vec![json!(42)],
                streams: Vec::new(),
            },
        ),
        (b"\x94\x02\x80\xa3xyz\x2a", Message::StreamItem { id: id(), item: json!(42) }),
        (b"\x95\x03\x80\xa3xyz\x01\xa5Error", completion(XYZ, Outcome::Error("Error".to_owned()))),
        (b"\x94\x03\x80\xa3xyz\x02", completion(XYZ, Outcome::Void)),
        (b"\x95\x03\x80\xa3xyz\x03\x2a", completion(XYZ, Outcome::Result(json!(42)))),
        (b"\x93\x05\x80\xa3xyz", Message::CancelInvocation { id: id() }),
        (b"\x91\x06", Message::Ping),
        (b"\x93\x07\xa3xyz\xc3", close(Some(XYZ), true)),
        (b"\x92\x08\xcc\x24", Message::Ack { sequence: 36 }),
        (b"\x92\x09\xcc\x13", Message::Sequence { sequence: 19 }),
    ]
}

#[test]
fn the_examples_of_the_specification_are_read() {
    for (bytes, message) in examples() {
        assert_eq!(encoding::read(bytes), Ok(Some(message)));
    }
    // With fewer items than are written here, and with headers.
    assert_eq!(encoding::read(b"\x92\x07\xa3xyz"), Ok(Some(close(Some(XYZ), false))));
    let headers = b"\x96\x01\x82\xa1x\xa1y\xa1z\xa1z\xa3xyz\xa6method\x91\x2a\x90";
    assert_eq!(encoding::read(headers), Ok(Some(call(Some(XYZ), "method", &[json!(42)]))));
}

#[test]
fn the_examples_of_the_specification_are_written_byte_for_byte() {
    for (bytes, message) in examples() {
        let written = encoding::write(&message);
        assert_eq!(usize::from(written[0]), written.len() - 1);
        // The example writes 36 and 19 in two bytes, and says that any size will do: here it is the shortest.
        let shortest = match message {
            Message::Ack { .. } => b"\x92\x08\x24",
            Message::Sequence { .. } => b"\x92\x09\x13",
            _ => bytes,
        };
        assert_eq!(&written[1..], shortest, "{message:?}");
    }
}

#[test]
fn the_length_stands_before_a_message_as_the_specification_writes_it() {
    let written = encoding::write(&call(None, "x", &[json!("y".repeat(5300))]));
    let length = usize::from(written[0] & 0x7F) | usize::from(written[1]) << 7;
    assert!(written[0] & 0x80 != 0 && written[1] & 0x80 == 0);
    assert_eq!(length, written.len() - 2);
}

#[test]
fn a_call_is_written_from_json() {
    let argument = br#"{"a":[null,true,-1,200,1.5,"x"]}"#;
    let expected =
        b"\x1b\x96\x01\x80\xc0\xa5event\x91\x81\xa1a\x96\xc0\xc3\xff\xcc\xc8\xcb\x3f\xf8\0\0\0\0\0\0\xa1x\x90";
    assert_eq!(encoding::write_call("event", argument), [&[(expected.len() - 1) as u8], &expected[1..]].concat());
}

#[test]
fn a_call_keeps_each_number_and_text_as_near_as_messagepack_can() {
    for (json, expected) in [
        ("9007199254740993", &b"\xcf\0\x20\0\0\0\0\0\x01"[..]),
        ("-9223372036854775808", b"\xd3\x80\0\0\0\0\0\0\0"),
        ("18446744073709551616", b"\xcb\x43\xf0\0\0\0\0\0\0"),
        ("1e400", b"\xcb\x7f\xf0\0\0\0\0\0\0"),
        ("-1e400", b"\xcb\xff\xf0\0\0\0\0\0\0"),
        ("-0", b"\xcb\x80\0\0\0\0\0\0\0"),
        (r#""\ud800a""#, b"\xa4\xef\xbf\xbda"),
        (r#"{"a":1,"a":2}"#, b"\x81\xa1a\x02"),
        ("nonsense", b"\xc0"),
    ] {
        let written = encoding::write_call("x", json.as_bytes());
        assert_eq!(written[1..], [&b"\x96\x01\x80\xc0\xa1x\x91"[..], expected, b"\x90"].concat(), "{json}");
    }
}

#[test]
fn an_invocation_id_that_is_empty_is_none_and_headers_may_be_nil() {
    assert_eq!(encoding::read(b"\x96\x01\xc0\xa0\xa6method\x90\x90"), Ok(Some(call(None, "method", &[]))));
}

#[test]
fn older_messages_are_shorter_and_newer_ones_longer() {
    assert_eq!(encoding::read(b"\x95\x01\x80\xc0\xa6method\x90"), Ok(Some(call(None, "method", &[]))));
    assert_eq!(encoding::read(b"\x97\x01\x80\xc0\xa6method\x90\x90\x81\x01\x02"), Ok(Some(call(None, "method", &[]))));
    assert_eq!(encoding::read(b"\x92\x06\x01"), Ok(Some(Message::Ping)));
    assert_eq!(encoding::read(b"\x91\x07"), Ok(Some(close(None, false))));
}

#[test]
fn a_type_that_nobody_knows_is_ignored() {
    assert_eq!(encoding::read(b"\x92\x0a\x01"), Ok(None));
    assert_eq!(encoding::read(b"\x91\xff"), Ok(None));
}

#[test]
fn what_a_message_lacks_or_has_wrong_is_named() {
    for (message, expected) in [
        (&b""[..], "ends before"),
        (b"\x92\x06", "ends before"),
        (b"\x91\x06\x06", "1 bytes stand behind"),
        (b"\x80", "a message must be an array; it is a map"),
        (b"\x90", "the type is missing"),
        (b"\x91\xa16", "the type must be a whole number; it is text"),
        (b"\x91\x01", "the map of headers is missing"),
        (b"\x93\x01\x90\xc0", "the headers must be a map; it is an array"),
        (b"\x93\x01\x80\x07", "the invocation id must be text; it is a number"),
        (b"\x93\x01\x80\xc0", "the target is missing"),
        (b"\x95\x01\x80\xc0\xa0\x90", "the target may not be empty"),
        (b"\x95\x01\x80\xc0\xa1x\x80", "the arguments must be an array; it is a map"),
        (b"\x96\x01\x80\xc0\xa1x\x90\x91\x01", "a stream's id must be text"),
        (b"\x95\x04\x80\xc0\xa1x\x90", "the invocation id may not be empty"),
        (b"\x93\x02\x80\xa1x", "the item is missing"),
        (b"\x94\x03\x80\xa1x\x04", "1, 2 or 3, not 4"),
        (b"\x94\x03\x80\xa1x\x03", "the result is missing"),
        (b"\x95\x03\x80\xa1x\x01\xc0", "the error must be text; it is nil"),
        (b"\x93\x07\xc0\x01", "whether to reconnect must be true or false"),
        (b"\x92\x08\xff", "the sequence id must be a whole number from 0 on"),
        (b"\x95\x01\x80\xc0\xa1\xff\x90", "not UTF-8"),
    ] {
        let words = words(encoding::read(message));
        assert!(words.contains(expected), "{message:?}: {words}");
    }
}
