use proptest::{collection::vec, option, prelude::*};
use serde_json::Value;
use signalr::{Encoding, Message, Outcome, Reader, handshake, json, messagepack};

use crate::given::{BOTH, read_pieces};

const LARGEST: usize = 1 << 20;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("a number", |number| number.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Value::from),
            vec((any::<String>(), inner), 0..20).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Text that is there: an empty id is none.
fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("not empty", |text| !text.is_empty())
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![any::<String>().prop_map(Outcome::Error), value().prop_map(Outcome::Result), Just(Outcome::Void),]
}

fn message() -> impl Strategy<Value = Message> {
    let streams = || vec(any::<String>(), 0..3);
    prop_oneof![
        (option::of(text()), text(), vec(value(), 0..4), streams())
            .prop_map(|(id, target, arguments, streams)| Message::Invocation { id, target, arguments, streams }),
        (text(), text(), vec(value(), 0..4), streams())
            .prop_map(|(id, target, arguments, streams)| Message::StreamInvocation { id, target, arguments, streams }),
        (text(), value()).prop_map(|(id, item)| Message::StreamItem { id, item }),
        (text(), outcome()).prop_map(|(id, outcome)| Message::Completion { id, outcome }),
        text().prop_map(|id| Message::CancelInvocation { id }),
        Just(Message::Ping),
        (option::of(any::<String>()), any::<bool>())
            .prop_map(|(error, allow_reconnect)| Message::Close { error, allow_reconnect }),
        any::<u64>().prop_map(|sequence| Message::Ack { sequence }),
        any::<u64>().prop_map(|sequence| Message::Sequence { sequence }),
    ]
}

/// The bytes in pieces of these sizes, again and again.
fn pieces<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for &size in sizes.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at(size.clamp(1, bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

proptest! {
    #[test]
    fn what_is_written_is_read_again_however_it_was_cut(
        messages in vec(message(), 1..5),
        sizes in vec(1_usize..200, 1..10),
    ) {
        for encoding in BOTH {
            let bytes: Vec<u8> = messages.iter().flat_map(|message| encoding.write(message)).collect();
            let mut reader = Reader::new(encoding, LARGEST);
            let read = read_pieces(&mut reader, pieces(&bytes, &sizes));
            prop_assert_eq!(read.as_ref(), Ok(&messages));
            prop_assert_eq!(reader.buffered(), 0);
        }
    }

    #[test]
    fn a_message_cut_anywhere_is_not_whole_before_its_end(message in message(), cut in any::<prop::sample::Index>()) {
        for encoding in BOTH {
            let bytes = encoding.write(&message);
            let (before, after) = bytes.split_at(cut.index(bytes.len()));
            let mut reader = Reader::new(encoding, LARGEST);
            prop_assert_eq!(read_pieces(&mut reader, [before]), Ok(vec![]));
            prop_assert_eq!(read_pieces(&mut reader, [after]), Ok(vec![message.clone()]));
        }
    }

    #[test]
    fn a_call_is_the_invocation_that_it_stands_for(target in text(), argument in value()) {
        let json = serde_json::to_vec(&argument).unwrap();
        let call = Message::Invocation { id: None, target: target.clone(), arguments: vec![argument], streams: vec![] };
        for encoding in BOTH {
            prop_assert_eq!(encoding.write_call(&target, &json), encoding.write(&call));
        }
    }

    #[test]
    fn a_handshake_is_answered_whatever_comes(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(Some((_, length))) = handshake::read(&bytes) {
            prop_assert!(length <= bytes.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_a_reader_panic_or_hold_more_than_its_bound(
        bytes in vec(prop_oneof![4 => any::<u8>(), 1 => Just(0x1E), 1 => 0x80_u8..0xA0, 1 => 0_u8..10], 0..400),
        sizes in vec(1_usize..50, 1..10),
        largest in 1_usize..100,
    ) {
        for encoding in BOTH {
            let mut reader = Reader::new(encoding, largest);
            for piece in pieces(&bytes, &sizes) {
                let failed = read_pieces(&mut reader, [piece]).is_err();
                // A message and its length or separator; what is held grows by doubling.
                let bound = if failed { 0 } else { 2 * (largest + 5 + piece.len()) };
                prop_assert!(reader.buffered() <= bound, "{} of {}", reader.buffered(), bound);
            }
        }
    }

    #[test]
    fn a_body_that_is_read_at_all_is_read_the_same_from_what_is_written_of_it(
        body in vec(prop_oneof![2 => any::<u8>(), 2 => 0x80_u8..0xA4, 3 => 0_u8..10], 0..60),
    ) {
        let body = [&b"\x96\x01\x80\xc0\xa1x"[..], &body].concat();
        if let Ok(Some(message)) = messagepack::read(&body) {
            let json = json::write(&message);
            prop_assert_eq!(json::read(&json[..json.len() - 1]), Ok(Some(message.clone())));
            let mut reader = Reader::new(Encoding::MessagePack, LARGEST);
            prop_assert_eq!(read_pieces(&mut reader, [&messagepack::write(&message)[..]]), Ok(vec![message]));
        }
    }
}
