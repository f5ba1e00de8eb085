//! JSON as values of MessagePack, whatever its numbers: `serde_json` itself reads none beyond those of 64 bits.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::Visitor,
    ser::{Error, SerializeMap, SerializeSeq},
};
use serde_json::value::RawValue;

/// A value of JSON. Each level is read again by the one above it, and an event has 64 KiB.
pub(super) struct JsonValue<'a>(&'a RawValue);

impl<'a> JsonValue<'a> {
    /// JSON that may be invalid; then there is none.
    pub(super) fn read(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().map(Self)
    }
}

impl Serialize for JsonValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = self.0.get();
        match json.as_bytes().first() {
            Some(b'{') => {
                let members: BTreeMap<Text, &RawValue> = serde_json::from_str(json).map_err(S::Error::custom)?;
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, member) in members {
                    map.serialize_entry(&name.0, &JsonValue(member))?;
                }
                map.end()
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(json).map_err(S::Error::custom)?;
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&JsonValue(item))?;
                }
                list.end()
            }
            Some(b'"') => serializer.serialize_str(&serde_json::from_str::<Text>(json).map_err(S::Error::custom)?.0),
            Some(b't') => serializer.serialize_bool(true),
            Some(b'f') => serializer.serialize_bool(false),
            Some(b'n') => serializer.serialize_unit(),
            _ => serialize_number(json, serializer),
        }
    }
}

fn serialize_number<S: Serializer>(json: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if let Ok(whole) = json.parse::<u64>() {
        return serializer.serialize_u64(whole);
    }
    match json.parse::<i64>() {
        // Of minus nought only a fraction keeps the sign.
        Ok(whole) if whole != 0 => serializer.serialize_i64(whole),
        _ => serializer.serialize_f64(json.parse().map_err(S::Error::custom)?),
    }
}

/// A text of JSON, which may hold half a surrogate pair; UTF-8 does not.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_bytes<E>(self, text: &[u8]) -> Result<Text, E> {
        let mut valid = String::with_capacity(text.len());
        for chunk in text.utf8_chunks() {
            valid.push_str(chunk.valid());
            // Of the three bytes that stand for half a pair each is a chunk of its own, and the first is always this.
            if chunk.invalid().first() == Some(&0xED) {
                valid.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Ok(Text(valid))
    }
}
