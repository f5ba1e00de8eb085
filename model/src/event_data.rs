//! The payload of an event: JSON that is kept as it came, for a number that is read and written again is another one.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

/// JSON as its publisher wrote it, without the space between its values: numbers and texts are never read and written anew.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct EventData(Box<RawValue>);

impl EventData {
    /// Reads it from JSON.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Its JSON, in one line.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// It as a value, which may hold its numbers less exactly; an error if it cannot hold one at all.
    pub fn to_value(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_str(self.get())
    }

    /// A member of it, if it is an object that has one; of several with one name the last, as in browsers.
    pub fn member<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, serde_json::Error> {
        if !self.get().starts_with('{') {
            return Ok(None);
        }
        let found = serde_json::Deserializer::from_str(self.get()).deserialize_map(Member(name))?;
        // By way of a value, so that errors name no line of a text that nobody has sent.
        found.map(|part| serde_json::from_str::<Value>(part.get()).and_then(T::deserialize)).transpose()
    }

    /// The names of its members, if it is an object; none if one of them is no text.
    pub fn names(&self) -> Vec<String> {
        let members = serde_json::from_str::<std::collections::BTreeMap<String, IgnoredAny>>(self.get());
        members.map(|members| members.into_keys().collect()).unwrap_or_default()
    }
}

impl From<Value> for EventData {
    fn from(value: Value) -> Self {
        Self(to_raw_value(&value).expect("a value is JSON"))
    }
}

impl PartialEq for EventData {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<'de> Deserialize<'de> for EventData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        match without_space(json.get()) {
            None => Ok(Self(json)),
            Some(json) => RawValue::from_string(json).map(Self).map_err(D::Error::custom),
        }
    }
}

/// Reads data that is there, if only `null`.
pub(crate) fn deserialize_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<EventData>, D::Error> {
    EventData::deserialize(deserializer).map(Some)
}

/// The same JSON without space between its values; `None` if it has none. A line end would end a server-sent event's field.
fn without_space(json: &str) -> Option<String> {
    let is_space = |letter: char| matches!(letter, ' ' | '\n' | '\r' | '\t');
    if !json.contains(is_space) {
        return None;
    }
    let (mut is_string, mut is_escaped) = (false, false);
    let is_part = |letter: &char| {
        let was_string = is_string;
        is_string = if is_string { is_escaped || *letter != '"' } else { *letter == '"' };
        is_escaped = was_string && !is_escaped && *letter == '\\';
        was_string || !is_space(*letter)
    };
    Some(json.chars().filter(is_part).collect())
}

/// Finds the member of a name.
struct Member<'n>(&'n str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = members.next_key_seed(NameIs(self.0))? {
            if is_it {
                found = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Compares a name as bytes, for it may hold half a surrogate pair, which is no text.
struct NameIs<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for NameIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for NameIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<bool, E> {
        Ok(name == self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_texts_stay_as_they_came() {
        for json in [
            "12345678901234567890123",
            "-9007199254740993",
            "1e400",
            "0.1000000000000000055511151231257827",
            r#"{"b":1.50,"a":-0,"é":"\u00e9\ud800\/"}"#,
            "null",
        ] {
            let data = EventData::parse(json).unwrap();
            assert_eq!(serde_json::to_string(&data).unwrap(), json);
        }
    }

    #[test]
    fn space_between_values_is_left_out_and_space_in_texts_stays() {
        let data = EventData::parse("{\r\n\t\"a b\" : [ 1 , \"c\\\" \\\\\" , \" \" ]\n}").unwrap();
        assert_eq!(data.get(), r#"{"a b":[1,"c\" \\"," "]}"#);
    }

    #[test]
    fn a_member_is_found_among_others_that_no_number_or_text_can_hold() {
        let data = EventData::parse(r#"{"\ud800":1e999,"toast":1,"to\u0061st":"x","n":{"toast":2}}"#).unwrap();
        assert_eq!(data.member::<String>("toast").unwrap(), Some("x".to_owned()), "the last, as in browsers");
        assert_eq!(data.member::<Value>("task").unwrap(), None);
        assert!(data.member::<f64>("\u{fffd}").unwrap().is_none());
        for other in ["[{\"toast\":1}]", "\"toast\"", "null"] {
            assert_eq!(EventData::parse(other).unwrap().member::<Value>("toast").unwrap(), None, "{other}");
        }
        assert_eq!(EventData::from(json!({ "a": 1, "b": 2 })).names(), ["a", "b"]);
    }
}
