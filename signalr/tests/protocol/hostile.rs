//! Bytes that mean harm.

use std::time::{Duration, Instant};

use signalr::{Encoding, Message, ProtocolError, Reader, json, messagepack};

use crate::given::{BOTH, call, read_pieces, words};

const LARGEST: usize = 32 * 1024;

#[test]
fn a_message_may_be_as_large_as_the_bound_and_no_larger() {
    for encoding in BOTH {
        let frame = |text: usize| encoding.write(&call(None, "Send", &["x".repeat(text).into()]));
        let bytes = frame(1000);
        let body = bytes.len() - if encoding == Encoding::Json { 1 } else { 2 };
        for size in [1, bytes.len()] {
            let read = |largest| read_pieces(&mut Reader::new(encoding, largest), bytes.chunks(size));
            assert_eq!(read(body).map(|read| read.len()), Ok(1));
            assert_eq!(read(body - 1), Err(ProtocolError::TooLarge(body - 1)));
        }
    }
}

#[test]
fn a_length_that_is_too_large_is_an_error_before_any_byte_of_the_message() {
    let read = |bytes: &[u8]| read_pieces(&mut Reader::new(Encoding::MessagePack, LARGEST), [bytes]);
    assert_eq!(read(b"\x80\x80\x02"), Ok(vec![]));
    assert_eq!(read(b"\x81\x80\x02"), Err(ProtocolError::TooLarge(LARGEST)));
    assert_eq!(read(b"\xff\xff\xff\xff\x07"), Err(ProtocolError::TooLarge(LARGEST)));
    for lie in [&b"\xff\xff\xff\xff\x08"[..], b"\xff\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x80"] {
        assert!(words(read(lie)).contains("5 bytes at most"));
    }
}

#[test]
fn json_without_a_separator_is_an_error_as_soon_as_it_is_too_long() {
    let mut reader = Reader::new(Encoding::Json, LARGEST);
    for _ in 0..LARGEST / 1024 {
        assert_eq!(read_pieces(&mut reader, [&[b' '; 1024][..]]), Ok(vec![]));
    }
    assert_eq!(read_pieces(&mut reader, [&b" "[..]]), Err(ProtocolError::TooLarge(LARGEST)));
}

#[test]
fn after_an_error_the_reader_stays_with_it_and_holds_nothing() {
    for (encoding, bytes) in
        [(Encoding::Json, &b"{\"type\":6}\x1e?\x1e"[..]), (Encoding::MessagePack, b"\x02\x91\x06\x01\x80")]
    {
        let mut reader = Reader::new(encoding, LARGEST);
        reader.push(bytes);
        assert_eq!(reader.next(), Ok(Some(Message::Ping)));
        let error = reader.next().unwrap_err();
        reader.push(&encoding.write(&Message::Ping));
        assert_eq!(reader.next(), Err(error));
        assert_eq!(reader.buffered(), 0);
    }
}

#[test]
fn what_is_said_of_a_wrong_message_does_not_repeat_it() {
    let long = "\u{7f}".repeat(LARGEST);
    let wrong = [
        format!("\"{long}\""),
        format!("{{\"type\":\"{long}\"}}"),
        format!("{{\"type\":1,\"target\":[\"{long}\"]}}"),
        format!("{{\"{long}\":}}"),
    ];
    for message in wrong {
        let words = words(json::read(message.as_bytes()));
        assert!(words.len() < 200 && !words.contains("7f"), "{words}");
    }
    let text = [b"\xda\x7f\xff", &[0x7f; 0x7fff][..]].concat();
    for message in [text.clone(), [b"\x91", &text[..]].concat(), [b"\x94\x01\x80\xc0\x91", &text[..]].concat()] {
        let words = words(messagepack::read(&message));
        assert!(words.len() < 200, "{words}");
    }
}

/// An item nested so deeply, the message's own array or object included, with a text innermost.
fn nested(encoding: Encoding, depth: usize) -> Vec<u8> {
    let inner = depth - 1;
    match encoding {
        Encoding::Json => {
            format!("{{\"type\":2,\"invocationId\":\"x\",\"item\":{}\"\"{}}}", "[".repeat(inner), "]".repeat(inner))
                .into()
        }
        Encoding::MessagePack => [b"\x94\x02\x80\xa1x".to_vec(), vec![0x91; inner], vec![0xa0]].concat(),
    }
}

#[test]
fn both_encodings_are_read_to_the_same_depth_and_deeper_is_an_error() {
    for (encoding, read) in [(Encoding::Json, json::read as fn(&[u8]) -> _), (Encoding::MessagePack, messagepack::read)]
    {
        assert!(matches!(read(&nested(encoding, 127)), Ok(Some(Message::StreamItem { .. }))), "{encoding:?}");
        for depth in [128, 129, 1000, 1_000_000] {
            assert!(read(&nested(encoding, depth)).is_err(), "{encoding:?} {depth}");
        }
    }
}

#[test]
fn depth_counts_in_values_in_keys_and_where_nobody_looks() {
    // A map of a nil key, and a map whose key is nested.
    for (step, end) in [(&b"\x91"[..], &b""[..]), (b"\x81\xc0", b""), (b"\x81", b"\xc0")] {
        let body = |depth| [b"\x92\x06", &step.repeat(depth)[..], b"\xc0", &end.repeat(depth)].concat();
        assert_eq!(messagepack::read(&body(126)), Ok(Some(Message::Ping)));
        assert!(words(messagepack::read(&body(127))).contains("nested more than 127 deep"));
        // Told before its end was looked for.
        for depth in [300, 1_000_000] {
            assert!(words(messagepack::read(&step.repeat(depth))).contains("nested more than 127 deep"));
        }
    }
}

#[test]
fn lengths_inside_a_message_that_lie_are_errors() {
    for lie in [
        &b"\xdd\xff\xff\xff\xff"[..],
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xdd\xff\xff\xff\xff\x01\x02",
    ] {
        assert!(words(messagepack::read(lie)).contains("ends before"));
        assert!(words(messagepack::read(&[b"\x94\x02\x80\xa1x", lie].concat())).contains("ends before"));
    }
}

#[test]
fn text_where_binary_was_agreed_and_the_other_way_round_is_an_error() {
    let text = Encoding::Json.write(&Message::Ping);
    assert!(read_pieces(&mut Reader::new(Encoding::MessagePack, 100), [&text[..]]).is_err());
    let binary = [&b"\x02\x91\x06"[..], b"\x1e"].concat();
    assert!(read_pieces(&mut Reader::new(Encoding::Json, LARGEST), [&binary[..]]).is_err());
    assert!(json::read(b"{\"type\":1,\"target\":\"\xff\",\"arguments\":[]}").is_err());
}

#[test]
fn many_small_pieces_cost_no_more_than_their_length() {
    // A search from the beginning at each piece would look at nearly 10^12 bytes.
    let begun = Instant::now();
    for encoding in BOTH {
        let bytes = encoding.write(&call(None, "Send", &["x".repeat(1_200_000).into()]));
        let read = read_pieces(&mut Reader::new(encoding, 1 << 21), bytes.chunks(1));
        assert_eq!(read.map(|read| read.len()), Ok(1));
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
