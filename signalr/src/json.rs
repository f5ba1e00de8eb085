//! Messages in JSON: text, each ended by a record separator (0x1E).

pub(crate) mod fields;

use serde::Serialize;
use serde_json::Value;

use crate::{
    message::{Message, Outcome, kind},
    protocol_error::ProtocolError,
};
use fields::Fields;

/// Ends each message; it never stands inside of one, since JSON escapes control characters.
pub const SEPARATOR: u8 = 0x1E;

/// Reads the body of one message, without its frame; `None` for a type that is to be ignored.
pub fn read(body: &[u8]) -> Result<Option<Message>, ProtocolError> {
    let mut fields = Fields::read(body)?;
    let message = match fields.kind()? {
        kind::INVOCATION => Message::Invocation {
            id: fields.optional_text("invocationId")?.filter(|id| !id.is_empty()),
            target: fields.text("target")?,
            arguments: fields.arguments()?,
            streams: fields.streams()?,
        },
        kind::STREAM_INVOCATION => Message::StreamInvocation {
            id: fields.text("invocationId")?,
            target: fields.text("target")?,
            arguments: fields.arguments()?,
            streams: fields.streams()?,
        },
        kind::STREAM_ITEM => Message::StreamItem { id: fields.text("invocationId")?, item: fields.value("item")? },
        kind::COMPLETION => Message::Completion { id: fields.text("invocationId")?, outcome: fields.outcome()? },
        kind::CANCEL_INVOCATION => Message::CancelInvocation { id: fields.text("invocationId")? },
        kind::PING => Message::Ping,
        kind::CLOSE => {
            Message::Close { error: fields.optional_text("error")?, allow_reconnect: fields.flag("allowReconnect")? }
        }
        kind::ACK => Message::Ack { sequence: fields.count("sequenceId")? },
        kind::SEQUENCE => Message::Sequence { sequence: fields.count("sequenceId")? },
        _ => return Ok(None),
    };
    Ok(Some(message))
}

/// Writes a message with its frame.
pub fn write(message: &Message) -> Vec<u8> {
    let mut bytes =
        serde_json::to_vec(&JsonMessage::of(message)).expect("a message holds nothing that JSON cannot write");
    bytes.push(SEPARATOR);
    bytes
}

/// Writes an invocation without an id whose only argument is given as JSON, which is not looked at.
pub fn write_call(target: &str, argument: &[u8]) -> Vec<u8> {
    let target = serde_json::to_string(target).expect("text is always JSON");
    let mut bytes = Vec::with_capacity(argument.len() + target.len() + 40);
    bytes.extend_from_slice(br#"{"type":1,"target":"#);
    bytes.extend_from_slice(target.as_bytes());
    bytes.extend_from_slice(br#","arguments":["#);
    bytes.extend_from_slice(argument);
    bytes.extend_from_slice(b"]}");
    bytes.push(SEPARATOR);
    bytes
}

/// The JSON of a message; missing properties are left out.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonMessage<'a> {
    r#type: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a [Value]>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stream_ids: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_reconnect: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_id: Option<u64>,
}

impl<'a> JsonMessage<'a> {
    fn of(message: &'a Message) -> Self {
        match message {
            Message::Invocation { id, target, arguments, streams } => {
                Self { invocation_id: id.as_deref(), ..Self::call(kind::INVOCATION, target, arguments, streams) }
            }
            Message::StreamInvocation { id, target, arguments, streams } => {
                Self { invocation_id: Some(id), ..Self::call(kind::STREAM_INVOCATION, target, arguments, streams) }
            }
            Message::StreamItem { id, item } => {
                Self { item: Some(item), ..Self::for_invocation(kind::STREAM_ITEM, id) }
            }
            Message::Completion { id, outcome } => {
                let message = Self::for_invocation(kind::COMPLETION, id);
                match outcome {
                    Outcome::Error(error) => Self { error: Some(error), ..message },
                    Outcome::Result(result) => Self { result: Some(result), ..message },
                    Outcome::Void => message,
                }
            }
            Message::CancelInvocation { id } => Self::for_invocation(kind::CANCEL_INVOCATION, id),
            Message::Ping => Self { r#type: kind::PING, ..Self::default() },
            Message::Close { error, allow_reconnect } => Self {
                r#type: kind::CLOSE,
                error: error.as_deref(),
                allow_reconnect: *allow_reconnect,
                ..Self::default()
            },
            Message::Ack { sequence } => Self::numbered(kind::ACK, *sequence),
            Message::Sequence { sequence } => Self::numbered(kind::SEQUENCE, *sequence),
        }
    }

    fn call(r#type: i64, target: &'a str, arguments: &'a [Value], stream_ids: &'a [String]) -> Self {
        Self { r#type, target: Some(target), arguments: Some(arguments), stream_ids, ..Self::default() }
    }

    fn for_invocation(r#type: i64, id: &'a str) -> Self {
        Self { r#type, invocation_id: Some(id), ..Self::default() }
    }

    fn numbered(r#type: i64, sequence: u64) -> Self {
        Self { r#type, sequence_id: Some(sequence), ..Self::default() }
    }
}
