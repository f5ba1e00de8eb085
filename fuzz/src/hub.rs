use serde_json::json;
use signalr::{Encoding, Message, Outcome, ProtocolError, Reader, handshake as protocol};

/// Small, so that inputs reach it.
const LARGEST: usize = 512;

/// A client's bytes in JSON.
pub fn json(input: &[u8]) {
    hub(Encoding::Json, input);
    handshake(input);
}

/// A client's bytes in MessagePack.
pub fn messagepack(input: &[u8]) {
    hub(Encoding::MessagePack, input);
    handshake(input);
}

/// The first byte says in which pieces the rest comes. However it is cut, the same messages come out of it; each is the
/// same message when it is written in either encoding and read again; and the reader holds no more than its bound.
fn hub(encoding: Encoding, input: &[u8]) {
    let Some((&size, bytes)) = input.split_first() else { return };
    let (messages, error) = read(encoding, [bytes]);
    assert_eq!(read(encoding, bytes.chunks(usize::from(size).max(1))), (messages.clone(), error));
    for message in messages {
        for encoding in [Encoding::Json, Encoding::MessagePack] {
            let mut reader = Reader::new(encoding, usize::MAX);
            reader.push(&encoding.write(&message));
            assert_eq!(reader.next().as_ref(), Ok(&Some(message.clone())), "{encoding:?}");
            assert_eq!(reader.next(), Ok(None));
            assert_eq!(reader.buffered(), 0);
        }
    }
}

fn read<'a>(encoding: Encoding, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Message>, Option<ProtocolError>) {
    let mut reader = Reader::new(encoding, LARGEST);
    let mut messages = Vec::new();
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.buffered(), 0);
                    // The words go to the client.
                    assert!(error.to_string().len() < 1024);
                    return (messages, Some(error));
                }
            }
        }
        // A message with its frame; the memory doubles as it grows.
        assert!(reader.buffered() <= 2 * (LARGEST + 5 + piece.len()));
    }
    (messages, None)
}

/// A handshake is whole at its end and not before, and what follows it is left alone.
fn handshake(input: &[u8]) {
    let (asked, length) = match protocol::read(input) {
        Ok(Some(read)) => read,
        Ok(None) => return,
        Err(error) => return assert!(error.to_string().len() < 1024),
    };
    assert!(length <= input.len() && length <= protocol::MAX_HANDSHAKE_BYTES);
    assert_eq!(protocol::read(&input[..length]), Ok(Some((asked, length))));
    assert_eq!(protocol::read(&input[..length - 1]), Ok(None));
}

pub fn json_seeds() -> Vec<Vec<u8>> {
    hub_messages(Encoding::Json)
}

pub fn messagepack_seeds() -> Vec<Vec<u8>> {
    hub_messages(Encoding::MessagePack)
}

/// Each kind of message alone and all together, after a byte that says in which pieces they come; and handshakes.
fn hub_messages(encoding: Encoding) -> Vec<Vec<u8>> {
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
