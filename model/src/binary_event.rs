//! Events in binary mode: the attributes stand beside the data, in the headers of HTTP or AMQP.

use data_encoding::BASE64;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    event::{Event, EventError, MAX_EVENT_BYTES},
    event_data::EventData,
};

/// Names that stand for the data where an event is JSON, so that no attribute can have them.
const DATA_NAMES: [&str; 2] = ["data", "data_base64"];

/// The attributes of an event in binary mode, and its data.
#[derive(Debug, Default, Serialize)]
pub struct BinaryEvent {
    #[serde(flatten)]
    attributes: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<EventData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

impl BinaryEvent {
    /// Adds an attribute; each may stand once.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> Result<(), EventError> {
        let is_name = name.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
        if name.is_empty() || !is_name || DATA_NAMES.contains(&name) {
            let name: String = name.chars().take(80).collect();
            return Err(EventError::Binary(format!("{name:?} is no attribute name: they are of a-z and 0-9")));
        }
        match self.attributes.insert(name.to_owned(), value.into()) {
            None => Ok(()),
            Some(_) => Err(EventError::Binary(format!("{name}: it stands more than once"))),
        }
    }

    /// The event with this data: JSON as it is, other text as text, all else as `data_base64`.
    pub fn with_data(mut self, content_type: Option<&str>, body: &[u8]) -> Result<Event, EventError> {
        if body.len() > MAX_EVENT_BYTES {
            return Err(EventError::TooLarge(body.len()));
        }
        if !body.is_empty() {
            self.read(content_type.filter(|content_type| !content_type.is_empty()), body)?;
        }
        let json = serde_json::to_vec(&self).map_err(|error| EventError::Binary(error.to_string()))?;
        Event::parse(&json)
    }

    fn read(&mut self, content_type: Option<&str>, body: &[u8]) -> Result<(), EventError> {
        let media = content_type.map_or("application/json".to_owned(), media_type);
        if media == "application/json" || media == "text/json" || media.ends_with("+json") {
            let data = serde_json::from_slice(body).map_err(|error| match content_type {
                Some(_) => EventError::Binary(format!("data: it is not JSON: {error}")),
                None => {
                    EventError::Binary(format!("data: it is not JSON, and no content-type says what else: {error}"))
                }
            })?;
            self.data = Some(data);
        } else if is_text(&media)
            && let Ok(text) = std::str::from_utf8(body)
        {
            self.data = Some(Value::from(text).into());
        } else {
            self.data_base64 = Some(BASE64.encode(body));
        }
        if let Some(content_type) = content_type {
            // Where the data stand alone, it is their own type that counts.
            self.attributes.insert("datacontenttype".to_owned(), content_type.into());
        }
        Ok(())
    }
}

/// The media type of a content type, without its parameters, in lower case.
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_text(media: &str) -> bool {
    media.starts_with("text/") || media == "application/xml" || media.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn binary() -> BinaryEvent {
        let mut event = BinaryEvent::default();
        for (name, value) in
            [("specversion", "1.0"), ("id", "1"), ("source", "/x"), ("type", "t"), ("audience", "user:ada")]
        {
            event.set(name, value).unwrap();
        }
        event
    }

    fn read(content_type: Option<&str>, body: &[u8]) -> Value {
        serde_json::to_value(binary().with_data(content_type, body).unwrap()).unwrap()
    }

    #[test]
    fn data_are_json_text_or_bytes_as_their_type_says() {
        assert_eq!(read(Some("application/json; charset=utf-8"), b"{\"a\": 1}")["data"], json!({ "a": 1 }));
        assert_eq!(read(Some("application/vnd.x+json"), b"1")["data"], json!(1));
        assert_eq!(read(None, b"[1]")["data"], json!([1]));
        assert_eq!(read(Some("text/plain"), "é".as_bytes())["data"], json!("é"));
        assert_eq!(read(Some("application/xml"), b"<a/>")["data"], json!("<a/>"));
        let bytes = read(Some("application/octet-stream"), b"\xff\x00");
        assert_eq!((&bytes["data_base64"], bytes.get("data")), (&json!("/wA="), None));
        assert_eq!(bytes["datacontenttype"], "application/octet-stream");
        assert_eq!(read(Some("text/plain; charset=iso-8859-1"), b"\xe9")["data_base64"], "6Q==");
        assert_eq!(read(Some("application/json"), b"").get("data"), None);
    }

    #[test]
    fn data_that_are_not_what_they_are_said_to_be_are_refused() {
        for content_type in [None, Some("application/json")] {
            let error = binary().with_data(content_type, b"hello").unwrap_err().to_string();
            assert!(error.contains("data: it is not JSON"), "{error}");
        }
    }

    #[test]
    fn an_attribute_stands_once_under_a_name_that_is_one() {
        for wrong in ["", "data", "data_base64", "my-own", "Id", "ünique", "a_b", "id"] {
            assert!(binary().set(wrong, "x").is_err(), "{wrong}");
        }
    }
}
