//! The event in a message, as any AMQP client may send it: structured or binary, and perhaps compressed.

use std::{borrow::Cow, io::Read};

use data_encoding::BASE64;
use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use model::{
    BinaryEvent, Event,
    binary_event::media_type,
    event::{CONTENT_TYPE, MAX_EVENT_BYTES},
};
use serde_json::Value;

use crate::log::{DropReason, DroppedMessage};

/// The first letters of the content types of whole events, in whichever format.
const CLOUD_EVENTS: &str = "application/cloudevents";
/// What stands before an attribute's name in a header: in the AMQP binding of CloudEvents, and in that for RabbitMQ.
const PREFIXES: [&str; 3] = ["cloudEvents:", "cloudEvents_", "ce-"];
/// Any of these makes a message binary whose content type says nothing of CloudEvents.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];
/// Attributes that are times; as a number they are milliseconds since 1970.
const TIMES: [&str; 2] = ["time", "expirytime"];
/// Encodings that clients name and that leave the bytes as they are.
const PLAIN: [&str; 5] = ["", "identity", "utf-8", "utf8", "binary"];

/// Reads the event in a message.
pub(super) fn read(properties: &BasicProperties, body: &[u8]) -> Result<Event, DropReason> {
    let encoding = text(properties.content_encoding()).to_ascii_lowercase();
    let body = match encoding.as_str() {
        "gzip" | "x-gzip" => Cow::Owned(inflate(body)?),
        _ => Cow::Borrowed(body),
    };
    let event = read_plain(properties, &body);
    match event {
        Err(DropReason::Malformed(_)) if encoding != "gzip" && encoding != "x-gzip" && !PLAIN.contains(&&*encoding) => {
            Err(DropReason::Unreadable(format!("its content encoding is {encoding:?}, and only gzip is understood")))
        }
        event => event,
    }
}

/// What was sent, for whoever looks at what was dropped.
pub(super) fn dropped(exchange: &str, properties: &BasicProperties, body: &[u8]) -> DroppedMessage {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    DroppedMessage {
        exchange: exchange.to_owned(),
        user: some(text(properties.user_id())),
        content_type: some(text(properties.content_type())),
        content_encoding: some(text(properties.content_encoding())),
        body: body.to_owned(),
    }
}

fn read_plain(properties: &BasicProperties, body: &[u8]) -> Result<Event, DropReason> {
    let content_type = text(properties.content_type());
    let media = media_type(content_type);
    if media == CONTENT_TYPE {
        return Ok(Event::parse(body)?);
    }
    if media.starts_with(CLOUD_EVENTS) {
        let why = format!("its content type is {media:?}, and a message is one event in JSON ({CONTENT_TYPE})");
        return Err(DropReason::Unreadable(why));
    }
    match properties.headers().as_ref().and_then(|headers| Some((headers, prefix(headers)?))) {
        Some((headers, prefix)) => read_binary(headers, prefix, content_type, body),
        // Without a word of CloudEvents it can only be a whole event.
        None => Ok(Event::parse(body)?),
    }
}

fn prefix(headers: &FieldTable) -> Option<&'static str> {
    let has = |prefix: &str, name: &str| headers.inner().contains_key(format!("{prefix}{name}").as_str());
    PREFIXES.into_iter().find(|prefix| REQUIRED.iter().any(|name| has(prefix, name)))
}

fn read_binary(headers: &FieldTable, prefix: &str, content_type: &str, body: &[u8]) -> Result<Event, DropReason> {
    let mut event = BinaryEvent::default();
    for (name, value) in headers.inner() {
        if let Some(name) = name.as_str().strip_prefix(prefix)
            && let Some(value) = attribute(name, value)?
        {
            event.set(name, value)?;
        }
    }
    Ok(event.with_data(Some(content_type), body)?)
}

/// The value of an attribute; `None` if it is unset.
fn attribute(name: &str, value: &AMQPValue) -> Result<Option<Value>, DropReason> {
    if TIMES.contains(&name)
        && let Some(milliseconds) = whole(value)
    {
        let beyond = if milliseconds > 0 { Timestamp::MAX } else { Timestamp::MIN };
        return Ok(Some(Timestamp::from_millisecond(milliseconds).unwrap_or(beyond).to_string().into()));
    }
    Ok(Some(match value {
        AMQPValue::Void => return Ok(None),
        AMQPValue::Boolean(flag) => (*flag).into(),
        AMQPValue::ShortString(text) => text.as_str().into(),
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes())
            .map_err(|_| DropReason::Unreadable(format!("the header of the attribute {name:?} is not UTF-8")))?
            .into(),
        AMQPValue::ByteArray(bytes) => BASE64.encode(bytes.as_slice()).into(),
        AMQPValue::Timestamp(seconds) => {
            let time = i64::try_from(*seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            time.unwrap_or(Timestamp::MAX).to_string().into()
        }
        number => match whole(number) {
            Some(number) => number.into(),
            None => {
                let why = format!("the header of the attribute {name:?} is of a type that no attribute has");
                return Err(DropReason::Unreadable(why));
            }
        },
    }))
}

fn whole(value: &AMQPValue) -> Option<i64> {
    Some(match value {
        AMQPValue::ShortShortInt(number) => i64::from(*number),
        AMQPValue::ShortShortUInt(number) => i64::from(*number),
        AMQPValue::ShortInt(number) => i64::from(*number),
        AMQPValue::ShortUInt(number) => i64::from(*number),
        AMQPValue::LongInt(number) => i64::from(*number),
        AMQPValue::LongUInt(number) => i64::from(*number),
        AMQPValue::LongLongInt(number) => *number,
        _ => return None,
    })
}

/// Unpacks gzip, no further than an event may be long: a few bytes unpack to gigabytes.
fn inflate(body: &[u8]) -> Result<Vec<u8>, DropReason> {
    let mut unpacked = Vec::new();
    let most = MAX_EVENT_BYTES as u64 + 1;
    let read = MultiGzDecoder::new(body).take(most).read_to_end(&mut unpacked);
    read.map_err(|error| {
        DropReason::Unreadable(format!("its bytes are not the gzip that they are said to be: {error}"))
    })?;
    if unpacked.len() > MAX_EVENT_BYTES {
        let why = format!("it has more than {MAX_EVENT_BYTES} bytes once it is unpacked");
        return Err(DropReason::Unreadable(why));
    }
    Ok(unpacked)
}

fn text(property: &Option<ShortString>) -> &str {
    property.as_ref().map_or("", |text| text.as_str())
}
