//! Messages in MessagePack: arrays, each with its length before it.

mod items;
mod json_values;
mod values;

use serde::Serialize;

use crate::{
    length,
    message::{Message, Outcome, kind},
    protocol_error::ProtocolError,
};
use items::{ERROR, Items, RESULT, VOID};
use json_values::JsonValue;

/// Reads the body of one message, without its frame; `None` for a type that is to be ignored.
pub fn read(body: &[u8]) -> Result<Option<Message>, ProtocolError> {
    let mut items = Items::read(body)?;
    let message = match items.kind()? {
        kind::INVOCATION => {
            items.skip_headers()?;
            Message::Invocation {
                id: items.optional_text("the invocation id")?.filter(|id| !id.is_empty()),
                target: items.text("the target")?,
                arguments: items.arguments()?,
                streams: items.streams()?,
            }
        }
        kind::STREAM_INVOCATION => {
            items.skip_headers()?;
            Message::StreamInvocation {
                id: items.text("the invocation id")?,
                target: items.text("the target")?,
                arguments: items.arguments()?,
                streams: items.streams()?,
            }
        }
        kind::STREAM_ITEM => {
            items.skip_headers()?;
            Message::StreamItem { id: items.text("the invocation id")?, item: items.value("the item")? }
        }
        kind::COMPLETION => {
            items.skip_headers()?;
            Message::Completion { id: items.text("the invocation id")?, outcome: items.outcome()? }
        }
        kind::CANCEL_INVOCATION => {
            items.skip_headers()?;
            Message::CancelInvocation { id: items.text("the invocation id")? }
        }
        kind::PING => Message::Ping,
        kind::CLOSE => Message::Close {
            error: items.optional_text("the error")?,
            allow_reconnect: items.flag("whether to reconnect")?,
        },
        kind::ACK => Message::Ack { sequence: items.sequence()? },
        kind::SEQUENCE => Message::Sequence { sequence: items.sequence()? },
        _ => return Ok(None),
    };
    Ok(Some(message))
}

/// Writes a message with its frame.
pub fn write(message: &Message) -> Vec<u8> {
    match message {
        Message::Invocation { id, target, arguments, streams } => {
            framed(&(kind::INVOCATION, NO_HEADERS, id, target, arguments, streams))
        }
        Message::StreamInvocation { id, target, arguments, streams } => {
            framed(&(kind::STREAM_INVOCATION, NO_HEADERS, id, target, arguments, streams))
        }
        Message::StreamItem { id, item } => framed(&(kind::STREAM_ITEM, NO_HEADERS, id, item)),
        Message::Completion { id, outcome } => match outcome {
            Outcome::Error(error) => framed(&(kind::COMPLETION, NO_HEADERS, id, ERROR, error)),
            Outcome::Void => framed(&(kind::COMPLETION, NO_HEADERS, id, VOID)),
            Outcome::Result(result) => framed(&(kind::COMPLETION, NO_HEADERS, id, RESULT, result)),
        },
        Message::CancelInvocation { id } => framed(&(kind::CANCEL_INVOCATION, NO_HEADERS, id)),
        Message::Ping => framed(&(kind::PING,)),
        Message::Close { error, allow_reconnect } => framed(&(kind::CLOSE, error, allow_reconnect)),
        Message::Ack { sequence } => framed(&(kind::ACK, sequence)),
        Message::Sequence { sequence } => framed(&(kind::SEQUENCE, sequence)),
    }
}

/// Writes an invocation without an id whose only argument is given as JSON. Whole numbers of 64 bits are whole numbers
/// here too; all others are the nearest of 64 bits with a fraction, infinity where there is none, as in a browser that reads
/// JSON. Half a surrogate pair becomes U+FFFD, for text is UTF-8 here, and invalid JSON nil.
pub fn write_call(target: &str, argument: &[u8]) -> Vec<u8> {
    let argument = JsonValue::read(argument);
    framed(&(kind::INVOCATION, NO_HEADERS, None::<&str>, target, [argument], NO_STREAMS))
}

const NO_STREAMS: [&str; 0] = [];
const NO_HEADERS: Headers = Headers {};

/// Written as an empty map.
#[derive(Serialize)]
struct Headers {}

fn framed(message: &impl Serialize) -> Vec<u8> {
    let mut body = Vec::with_capacity(128);
    message
        .serialize(&mut rmp_serde::Serializer::new(&mut body).with_struct_map())
        .expect("a message holds nothing that MessagePack cannot write");
    let mut bytes = Vec::with_capacity(length::MAX_BYTES + body.len());
    length::write(body.len(), &mut bytes);
    bytes.extend_from_slice(&body);
    bytes
}
