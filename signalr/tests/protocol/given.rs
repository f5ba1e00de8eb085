//! What the tests share: messages of every kind, and a reader that is fed in pieces.

use serde_json::{Value, json};
use signalr::{Encoding, Message, Outcome, ProtocolError, Reader};

pub(crate) const BOTH: [Encoding; 2] = [Encoding::Json, Encoding::MessagePack];

pub(crate) fn call(id: Option<&str>, target: &str, arguments: &[Value]) -> Message {
    Message::Invocation {
        id: id.map(str::to_owned),
        target: target.to_owned(),
        arguments: arguments.to_vec(),
        streams: Vec::new(),
    }
}

pub(crate) fn completion(id: &str, outcome: Outcome) -> Message {
    Message::Completion { id: id.to_owned(), outcome }
}

pub(crate) fn close(error: Option<&str>, allow_reconnect: bool) -> Message {
    Message::Close { error: error.map(str::to_owned), allow_reconnect }
}

/// One of every kind, and of every shape that a kind has.
pub(crate) fn one_of_each() -> Vec<Message> {
    vec![
        call(None, "Send", &[json!(42), json!("Test Message")]),
        call(Some("123"), "Send", &[]),
        Message::Invocation {
            id: Some("1".to_owned()),
            target: "Upload".to_owned(),
            arguments: vec![json!({"a": [null, true, -1, 1.5]})],
            streams: vec!["7".to_owned()],
        },
        Message::StreamInvocation {
            id: "2".to_owned(),
            target: "Stream".to_owned(),
            arguments: vec![json!(u64::MAX), json!(i64::MIN)],
            streams: Vec::new(),
        },
        Message::StreamItem { id: "2".to_owned(), item: Value::Null },
        completion("2", Outcome::Void),
        completion("3", Outcome::Error("It didn't work!".to_owned())),
        completion("4", Outcome::Result(Value::Null)),
        Message::CancelInvocation { id: "2".to_owned() },
        Message::Ping,
        close(None, false),
        close(Some("expired"), true),
        Message::Ack { sequence: 1394 },
        Message::Sequence { sequence: 1234 },
    ]
}

/// Reads all that is whole after each piece.
pub(crate) fn read_pieces<'a>(
    reader: &mut Reader,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Message>, ProtocolError> {
    let mut messages = Vec::new();
    for piece in pieces {
        reader.push(piece);
        while let Some(message) = reader.next()? {
            messages.push(message);
        }
    }
    Ok(messages)
}

/// The words of a protocol error.
pub(crate) fn words<T: std::fmt::Debug>(result: Result<T, ProtocolError>) -> String {
    result.unwrap_err().to_string()
}
