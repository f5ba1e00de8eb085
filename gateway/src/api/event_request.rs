//! The events in a request by the CloudEvents HTTP binding: structured, as a batch or binary, as its content type says.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use model::{
    BinaryEvent, Event, EventError,
    binary_event::media_type,
    event::{CONTENT_TYPE, MAX_EVENT_BYTES},
    misspelling,
};
use percent_encoding::percent_decode;
use serde_json::value::RawValue;

use super::problem::{EventFault, Problem};

/// The content type of several events at once.
pub const BATCH_TYPE: &str = "application/cloudevents-batch+json";
/// The first letters of the content types of whole events, in whichever format.
const CLOUD_EVENTS: &str = "application/cloudevents";
/// The number of events in one batch.
const MAX_BATCH: usize = 100;
/// Most faults and most warnings of an answer.
const MAX_NOTES: usize = 20;
/// The first letters of the headers of attributes.
const ATTRIBUTE: &str = "ce-";
/// Any of these headers makes a request whose content type says nothing of CloudEvents a binary event.
const REQUIRED: [&str; 4] = ["ce-specversion", "ce-id", "ce-source", "ce-type"];

/// The events of a request.
#[derive(Debug)]
pub struct EventRequest {
    /// In order; none of an empty batch.
    pub events: Vec<Event>,
    /// True if they came as a batch, so that what is said of one of them names its place.
    pub is_batch: bool,
}

impl EventRequest {
    /// Reads them from a request; a batch with a wrong event is refused as a whole, and each wrong one is named.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        let content_type = headers.get(header::CONTENT_TYPE).map(|value| text_of(&header::CONTENT_TYPE, value));
        let content_type = content_type.transpose()?.unwrap_or_default();
        let media = media_type(&content_type);
        let single = |event| Self { events: vec![event], is_batch: false };
        match media.as_str() {
            BATCH_TYPE => require_utf8(&content_type)
                .and_then(|()| read_batch(body))
                .map(|events| Self { events, is_batch: true }),
            CONTENT_TYPE => require_utf8(&content_type).and_then(|()| Ok(single(Event::parse(body)?))),
            other if other.starts_with(CLOUD_EVENTS) => Err(unsupported(&format!("{other} is not spoken here: "))),
            _ if REQUIRED.iter().any(|name| headers.contains_key(*name)) => {
                Ok(single(read_binary(headers, &content_type, body)?))
            }
            "application/json" => require_utf8(&content_type).and_then(|()| Ok(single(Event::parse(body)?))),
            _ => Err(unsupported("")),
        }
    }

    /// What of them has no effect, though it looks as if it should.
    pub fn warnings(&self) -> Vec<String> {
        let numbered = self.events.iter().enumerate();
        let all =
            numbered.flat_map(|(at, event)| misspelling::warnings(event).into_iter().map(move |warning| (at, warning)));
        all.take(MAX_NOTES)
            .map(|(at, warning)| if self.is_batch { format!("event {at}: {warning}") } else { warning })
            .collect()
    }
}

fn unsupported(why: &str) -> Problem {
    let detail = format!("{why}content-type must be {CONTENT_TYPE}, {BATCH_TYPE}, or any with ce- headers");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", detail)
}

/// JSON is UTF-8; who says otherwise would be read wrong.
fn require_utf8(content_type: &str) -> Result<(), Problem> {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut charsets = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    let charset = charsets.next().map(|(_, charset)| charset.trim().trim_matches('"').to_ascii_lowercase());
    match charset.as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii") => Ok(()),
        Some(_) => Err(unsupported("charset: events in JSON are UTF-8; ")),
    }
}

fn read_batch(body: &[u8]) -> Result<Vec<Event>, Problem> {
    // Without the library's text, which may repeat everything that was sent.
    let parts: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| {
        EventError::Shape(format!("a batch is a JSON array (line {}, column {})", error.line(), error.column()))
    })?;
    if parts.len() > MAX_BATCH {
        let detail = format!("a batch may have {MAX_BATCH} events at most, this has {}", parts.len());
        return Err(Problem::bad_request("batch-too-large", detail));
    }
    let (mut events, mut faults, mut first) = (Vec::with_capacity(parts.len()), Vec::new(), None);
    for (at, part) in parts.iter().enumerate() {
        match Event::parse(part.get().as_bytes()) {
            Ok(event) => events.push(event),
            Err(error) => {
                faults.push(EventFault { event: at, detail: error.to_string() });
                first.get_or_insert_with(|| Problem::from(error).within(&format!("event {at}")));
            }
        }
    }
    faults.truncate(MAX_NOTES);
    match first {
        None => Ok(events),
        Some(problem) => Err(problem.of_events(faults)),
    }
}

/// Binary mode: attributes in `ce-` headers, the body is `data`.
fn read_binary(headers: &HeaderMap, content_type: &str, body: &[u8]) -> Result<Event, Problem> {
    if body.len() > MAX_EVENT_BYTES {
        return Err(EventError::TooLarge(body.len()).into());
    }
    let mut event = BinaryEvent::default();
    for (name, value) in headers {
        if let Some(attribute) = name.as_str().strip_prefix(ATTRIBUTE) {
            event.set(attribute, decoded(name, value)?)?;
        }
    }
    Ok(event.with_data(Some(content_type), body)?)
}

fn text_of(name: &HeaderName, value: &HeaderValue) -> Result<String, Problem> {
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| not_text(name))?;
    Ok(text.to_owned())
}

/// The value of an attribute: without the quotes of a quoted string, and percent-decoded once. A percent sign that begins
/// no encoded byte stands for itself, for not every SDK encodes.
fn decoded(name: &HeaderName, value: &HeaderValue) -> Result<String, Problem> {
    let unquoted = unquoted(value.as_bytes());
    let text = percent_decode(&unquoted).decode_utf8().map_err(|_| not_text(name))?;
    Ok(text.into_owned())
}

fn not_text(name: &HeaderName) -> Problem {
    Problem::bad_request("invalid-event", format!("the header {name} is not UTF-8, or not percent-encoded UTF-8"))
}

/// The text in a quoted string of RFC 9110; what is no such string as a whole stands for itself.
fn unquoted(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return value.into();
    };
    let (mut text, mut is_escaped) = (Vec::with_capacity(inner.len()), false);
    for byte in inner {
        match byte {
            b'\\' if !is_escaped => is_escaped = true,
            b'"' if !is_escaped => return value.into(),
            byte => {
                text.push(*byte);
                is_escaped = false;
            }
        }
    }
    if is_escaped { value.into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_removed_where_the_whole_value_is_a_quoted_string() {
        for (value, text) in [
            (r#""a b""#, "a b"),
            (r#""a \"b\" \\""#, r#"a "b" \"#),
            (r#""""#, ""),
            (r#""a" and "b""#, r#""a" and "b""#),
            (r#""a\""#, r#""a\""#),
            (r#"""#, r#"""#),
            ("plain", "plain"),
        ] {
            assert_eq!(&*unquoted(value.as_bytes()), text.as_bytes(), "{value}");
        }
    }

    #[test]
    fn what_is_percent_encoded_is_decoded_once_and_must_be_utf_8() {
        let name = HeaderName::from_static("ce-subject");
        let decode = |value: &[u8]| decoded(&name, &HeaderValue::from_bytes(value).unwrap()).ok();
        for (value, text) in [
            (&b"Euro%20%E2%82%AC%20%F0%9F%98%80"[..], "Euro \u{20ac} \u{1f600}"),
            (b"a%2520b", "a%20b"),
            (b"100%", "100%"),
            (b"1+1", "1+1"),
            (b"\"%22x%22\"", "\"x\""),
            ("é".as_bytes(), "é"),
        ] {
            assert_eq!(decode(value).as_deref(), Some(text));
        }
        for wrong in [&b"%C0%A0"[..], b"%E9", b"\xe9", b"%ED%A0%80"] {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
    }
}
