use gateway::origins::Origins;
use model::{audience::Audience, cursor::Cursor};
use serde::{
    Deserialize,
    de::{IntoDeserializer, value::Error},
};
use storage::FileKey;

/// An audience that was taken is the same when it is written and read again, whatever its spaces were.
pub fn audience(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    match text.parse::<Audience>() {
        Ok(audience) => {
            assert_eq!(audience.to_string().parse(), Ok(audience.clone()));
            assert_eq!(audience.to_string().split_whitespace().count(), audience.terms().len());
        }
        Err(error) => assert!(error.to_string().len() < 1024),
    }
}

/// A text that is a cursor is the cursor's only text, letter case aside.
pub fn cursor(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string(), text.to_ascii_lowercase());
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
}

/// A key that was taken stays in its owner's folder, and its address is one path of ours.
pub fn file_key(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(key) = text.parse::<FileKey>() else { return };
    assert_eq!(key.to_string(), text);
    assert_eq!(text.split('/').count(), 2);
    assert!(!text.contains(['\\', '\0', '\r', '\n']) && text.split('/').all(|part| !["", ".", ".."].contains(&part)));
    let path = key.href();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte);
    assert!(path.starts_with("/api/files/") && path.bytes().all(plain) && path.split('/').count() == 5, "{path}");
}

/// Origins that were taken are exact: each is scheme, host and port, and none has a wildcard.
pub fn origins(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let read: Result<Origins, Error> = Origins::deserialize(text.into_deserializer());
    match read {
        Ok(_) => assert!(!text.contains('*') && text.is_ascii(), "{text:?}"),
        Err(error) => assert!(error.to_string().contains("write each as"), "{error}"),
    }
}
