//! Values of MessagePack as values of JSON.

use data_encoding::BASE64;
use jiff::Timestamp;
use rmpv::{Utf8StringRef, ValueRef, decode};
use serde_json::{Map, Number, Value};

use crate::protocol_error::ProtocolError;

/// The deepest nesting, the message's own array included: as deep as `serde_json` reads.
const MAX_DEPTH: usize = 127;
/// The type of the one extension that MessagePack itself defines.
const TIMESTAMP: i8 = -1;

/// Reads the one value that the bytes are. Lengths that lie take no memory, and depth is bounded.
pub(super) fn read(mut bytes: &[u8]) -> Result<ValueRef<'_>, ProtocolError> {
    // The reader counts two for each level and up to three for what is innermost.
    let value = decode::read_value_ref_with_max_depth(&mut bytes, 2 * MAX_DEPTH + 3).map_err(|error| match error {
        decode::Error::DepthLimitExceeded => too_deep(),
        _ => malformed("it ends before the message that it began is whole".to_owned()),
    })?;
    match bytes.len() {
        _ if depth(&value) > MAX_DEPTH => Err(too_deep()),
        0 => Ok(value),
        more => Err(malformed(format!("{more} bytes stand behind the message's array"))),
    }
}

/// The nesting depth of its arrays and maps.
fn depth(value: &ValueRef<'_>) -> usize {
    match value {
        ValueRef::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        ValueRef::Map(entries) => {
            1 + entries.iter().map(|(key, value)| depth(key).max(depth(value))).max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// The value in JSON: binary data as base64, timestamps as RFC 3339, NaN and infinities as null.
pub(super) fn to_json(value: ValueRef<'_>) -> Result<Value, ProtocolError> {
    Ok(match value {
        ValueRef::Nil => Value::Null,
        ValueRef::Boolean(flag) => Value::Bool(flag),
        ValueRef::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => Value::Null,
        },
        ValueRef::F32(number) => float(f64::from(number)),
        ValueRef::F64(number) => float(number),
        ValueRef::String(text) => utf8(text)?.into(),
        ValueRef::Binary(bytes) => BASE64.encode(bytes).into(),
        ValueRef::Array(items) => Value::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?),
        ValueRef::Map(entries) => Value::Object(object(entries)?),
        ValueRef::Ext(TIMESTAMP, bytes) => timestamp(bytes)?.to_string().into(),
        ValueRef::Ext(other, _) => {
            return Err(malformed(format!("extension type {other} is not known here; only timestamps (-1) are")));
        }
    })
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// A map as an object: a key that is not text becomes its JSON, and of equal keys the last stays.
fn object(entries: Vec<(ValueRef<'_>, ValueRef<'_>)>) -> Result<Map<String, Value>, ProtocolError> {
    entries
        .into_iter()
        .map(|(key, value)| {
            let key = match to_json(key)? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            Ok((key, to_json(value)?))
        })
        .collect()
}

pub(super) fn utf8(text: Utf8StringRef<'_>) -> Result<&str, ProtocolError> {
    text.into_str().ok_or_else(|| malformed("a text is not UTF-8".to_owned()))
}

/// Of 4 bytes (seconds), 8 (30 bits of nanoseconds, 34 of seconds) or 12 (nanoseconds, then signed seconds).
fn timestamp(bytes: &[u8]) -> Result<Timestamp, ProtocolError> {
    let (seconds, nanoseconds) = if let Ok(bytes) = bytes.try_into() {
        (i64::from(u32::from_be_bytes(bytes)), 0)
    } else if let Ok(bytes) = bytes.try_into().map(u64::from_be_bytes) {
        ((bytes & ((1 << 34) - 1)).cast_signed(), (bytes >> 34) as u32)
    } else if let Some((nanoseconds, seconds)) = split_timestamp96(bytes) {
        (i64::from_be_bytes(seconds), u32::from_be_bytes(nanoseconds))
    } else {
        return Err(malformed(format!("a timestamp has 4, 8 or 12 bytes, not {}", bytes.len())));
    };
    i32::try_from(nanoseconds)
        .ok()
        .and_then(|nanoseconds| Timestamp::new(seconds, nanoseconds).ok())
        .ok_or_else(|| malformed("a timestamp is outside of the years -9999 to 9999, or of its second".to_owned()))
}

fn split_timestamp96(bytes: &[u8]) -> Option<([u8; 4], [u8; 8])> {
    let (nanoseconds, seconds) = bytes.split_first_chunk()?;
    Some((*nanoseconds, seconds.try_into().ok()?))
}

pub(super) fn name_of(value: &ValueRef<'_>) -> &'static str {
    match value {
        ValueRef::Nil => "nil",
        ValueRef::Boolean(_) => "true or false",
        ValueRef::Integer(_) | ValueRef::F32(_) | ValueRef::F64(_) => "a number",
        ValueRef::String(_) => "text",
        ValueRef::Binary(_) => "binary data",
        ValueRef::Array(_) => "an array",
        ValueRef::Map(_) => "a map",
        ValueRef::Ext(..) => "an extension",
    }
}

fn too_deep() -> ProtocolError {
    malformed(format!("arrays and maps are nested more than {MAX_DEPTH} deep"))
}

fn malformed(why: String) -> ProtocolError {
    ProtocolError::Malformed(format!("the message is not MessagePack as the hub protocol has it: {why}"))
}
