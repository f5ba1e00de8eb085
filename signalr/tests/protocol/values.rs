//! What MessagePack has and JSON has not.

use serde_json::{Value, json};
use signalr::{Message, messagepack};

use crate::given::words;

fn item(bytes: &[u8]) -> Result<Value, signalr::ProtocolError> {
    match messagepack::read(&[b"\x94\x02\x80\xa1x", bytes].concat())? {
        Some(Message::StreamItem { item, .. }) => Ok(item),
        other => panic!("{other:?}"),
    }
}

#[test]
fn binary_data_is_base64() {
    assert_eq!(item(b"\xc4\x03\x00\xff\x10"), Ok(json!("AP8Q")));
}

#[test]
fn numbers_keep_their_value_and_what_is_no_number_is_null() {
    assert_eq!(item(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), Ok(json!(u64::MAX)));
    assert_eq!(item(b"\xd3\x80\0\0\0\0\0\0\0"), Ok(json!(i64::MIN)));
    assert_eq!(item(b"\xca\x3f\xc0\0\0"), Ok(json!(1.5)));
    assert_eq!(item(b"\xcb\x7f\xf8\0\0\0\0\0\0"), Ok(Value::Null));
    assert_eq!(item(b"\xca\xff\x80\0\0"), Ok(Value::Null));
}

#[test]
fn timestamps_of_each_length_are_rfc_3339() {
    assert_eq!(item(b"\xd6\xff\0\0\0\x01"), Ok(json!("1970-01-01T00:00:01Z")));
    let half_a_second = ((500_000_000_u64 << 34) | 2).to_be_bytes();
    assert_eq!(item(&[b"\xd7\xff", &half_a_second[..]].concat()), Ok(json!("1970-01-01T00:00:02.5Z")));
    let late = (1_u64 << 33).to_be_bytes();
    assert_eq!(item(&[b"\xd7\xff", &late[..]].concat()), Ok(json!("2242-03-16T12:56:32Z")));
    let before = [&1_u32.to_be_bytes()[..], &(-1_i64).to_be_bytes()].concat();
    assert_eq!(item(&[b"\xc7\x0c\xff", &before[..]].concat()), Ok(json!("1969-12-31T23:59:59.000000001Z")));
}

#[test]
fn a_timestamp_that_is_none_is_an_error() {
    let far = [&0_u32.to_be_bytes()[..], &i64::MAX.to_be_bytes()].concat();
    assert!(words(item(&[b"\xc7\x0c\xff", &far[..]].concat())).contains("outside of the years"));
    for nanoseconds in [1_000_000_000, u32::MAX] {
        let bytes = [&nanoseconds.to_be_bytes()[..], &0_i64.to_be_bytes()].concat();
        assert!(words(item(&[b"\xc7\x0c\xff", &bytes[..]].concat())).contains("of its second"));
    }
    assert!(words(item(b"\xd4\xff\x01")).contains("4, 8 or 12 bytes, not 1"));
}

#[test]
fn another_extension_is_named() {
    assert!(words(item(b"\xd4\x05\x01")).contains("extension type 5"));
}

#[test]
fn keys_that_are_no_text_become_their_text_and_of_equal_keys_the_last_stays() {
    let map = b"\x87\xa1a\x01\x07\x02\xc0\x03\xc3\x04\x91\x01\x05\xc4\x01\x00\x06\xa1a\x08";
    assert_eq!(item(map), Ok(json!({"a": 8, "7": 2, "null": 3, "true": 4, "[1]": 5, "AA==": 6})));
}
