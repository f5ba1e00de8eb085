use signalr::{
    Encoding, ProtocolError,
    handshake::{self, Handshake, MAX_HANDSHAKE_BYTES},
};

use crate::given::words;

#[test]
fn a_handshake_names_the_encoding_and_leaves_alone_what_follows_it() {
    let bytes = b"{\"protocol\":\"messagepack\",\"version\":1}\x1e\x02\x91\x06";
    let asked = Handshake { encoding: Encoding::MessagePack };
    assert_eq!(handshake::read(bytes), Ok(Some((asked, bytes.len() - 3))));
}

#[test]
fn properties_come_in_any_order_with_others_between_and_names_in_any_case() {
    let bytes = b"\n{ \"version\": 1, \"x\": {\"protocol\": 1}, \"protocol\": \"JSON\" }\x1e";
    assert_eq!(handshake::read(bytes), Ok(Some((Handshake { encoding: Encoding::Json }, bytes.len()))));
}

#[test]
fn a_handshake_that_is_not_whole_is_waited_for() {
    let bytes = b"{\"protocol\":\"json\",\"version\":1}\x1e";
    for end in 0..bytes.len() {
        assert_eq!(handshake::read(&bytes[..end]), Ok(None), "{end}");
    }
}

#[test]
fn versions_0_and_2_are_taken_like_1_and_no_other_is() {
    let asked =
        |version: u64| handshake::read(format!("{{\"protocol\":\"json\",\"version\":{version}}}\x1e").as_bytes());
    assert!(asked(1).is_ok() && asked(1) == asked(2) && asked(1) == asked(0));
    for version in [3, u64::MAX] {
        assert_eq!(asked(version), Err(ProtocolError::UnknownVersion("json".to_owned(), version)));
    }
}

#[test]
fn another_protocol_is_named_in_the_error() {
    let bytes = b"{\"protocol\":\"blazorpack\",\"version\":1}\x1e";
    assert_eq!(handshake::read(bytes), Err(ProtocolError::UnknownProtocol("blazorpack".to_owned())));
}

#[test]
fn of_a_long_name_the_error_repeats_the_beginning() {
    let words =
        words(handshake::read(format!("{{\"protocol\":\"{}\",\"version\":1}}\x1e", "x".repeat(4000)).as_bytes()));
    assert!(words.contains(&"x".repeat(80)) && words.len() < 200, "{words}");
}

#[test]
fn a_handshake_is_bounded() {
    let padded = |spaces: usize| format!("{{\"protocol\":\"json\",\"version\":1{}}}\x1e", " ".repeat(spaces));
    let room = MAX_HANDSHAKE_BYTES - padded(0).len();
    assert_eq!(
        handshake::read(padded(room).as_bytes()).map(|read| read.map(|(_, length)| length)),
        Ok(Some(MAX_HANDSHAKE_BYTES))
    );
    assert_eq!(handshake::read(padded(room + 1).as_bytes()), Err(ProtocolError::TooLarge(MAX_HANDSHAKE_BYTES)));
    assert_eq!(
        handshake::read(&padded(MAX_HANDSHAKE_BYTES).as_bytes()[..MAX_HANDSHAKE_BYTES]),
        Err(ProtocolError::TooLarge(MAX_HANDSHAKE_BYTES))
    );
}

#[test]
fn what_is_no_handshake_is_told_so_in_words() {
    for (bytes, expected) in [
        (&b"\x02\x91\x06"[..], "it begins with another byte"),
        (b"\x1e", "it begins with another byte"),
        (b"{\"type\":6}\x1e", "`protocol` is missing"),
        (b"{\"protocol\":\"json\"}\x1e", "`version` is missing"),
        (b"{\"protocol\":7,\"version\":1}\x1e", "`protocol` must be text; it is a number"),
        (b"{\"protocol\":\"json\",\"version\":-1}\x1e", "`version` must be a whole number from 0 on"),
        (b"{\"protocol\":\"json\",\"version\":\"1\"}\x1e", "`version` must be a whole number from 0 on; it is text"),
        (b"{\"protocol\":\"\xff\",\"version\":1}\x1e", "invalid unicode"),
        (b"{\x1e", "EOF"),
    ] {
        let words = words(handshake::read(bytes));
        assert!(words.contains(expected) && words.contains("handshake"), "{words}");
    }
}

#[test]
fn the_answer_is_an_empty_object_or_says_why_not() {
    assert_eq!(handshake::response(None), b"{}\x1e");
    assert_eq!(handshake::response(Some("no \"x\"")), b"{\"error\":\"no \\\"x\\\"\"}\x1e");
}
