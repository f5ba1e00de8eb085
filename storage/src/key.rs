//! The names and keys of files.
//!
//! A key is `<id>/<name>` and is looked up in its owner's folder alone, so nobody can reach another owner's file.

use std::{fmt, str::FromStr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// Encodes all but the unreserved characters of a URL.
const HREF: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An invalid file name or key; the text is the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidKey(String);

/// A file's own name, as its owner calls it: 1 to 200 bytes, no '/', '\' or control character, not '.' or '..'.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

impl FromStr for FileName {
    type Err = InvalidKey;

    fn from_str(name: &str) -> Result<Self, InvalidKey> {
        let reason = if name.is_empty() || name.len() > 200 {
            "a file name has 1 to 200 bytes"
        } else if name.contains(['/', '\\']) || name.chars().any(char::is_control) {
            "a file name has no '/', no '\\' and no control character"
        } else if name == "." || name == ".." {
            "'.' and '..' are no file names"
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(InvalidKey(reason.to_owned()))
    }
}

/// A file within its owner's folder: `<id>/<name>`, the id of 1 to 64 of A-Z, a-z, 0-9 and '-'.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileKey {
    id: String,
    name: FileName,
}

impl FileKey {
    /// A key of this id (such as a task's, so that another attempt writes the same file) and name.
    pub fn new(id: &str, name: FileName) -> Result<Self, InvalidKey> {
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if id.is_empty() || id.len() > 64 || !plain {
            return Err(InvalidKey("a file key is <id>/<name>, as the upload answered it".to_owned()));
        }
        Ok(Self { id: id.to_owned(), name })
    }

    /// A key with a new id.
    pub fn generate(name: FileName) -> Self {
        Self { id: ulid::Ulid::generate().to_string(), name }
    }

    /// The key of a link that [`Self::href`] made.
    pub fn of_href(href: &str) -> Option<Self> {
        let decoded = percent_decode_str(href.strip_prefix("/api/files/")?).decode_utf8().ok()?;
        decoded.parse().ok()
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name.0
    }

    /// Its path on the gateway: `/api/files/<id>/<name>`, percent-encoded.
    pub fn href(&self) -> String {
        format!("/api/files/{}/{}", self.id, utf8_percent_encode(&self.name.0, HREF))
    }
}

impl FromStr for FileKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        match text.split_once('/') {
            Some((id, name)) => Self::new(id, name.parse()?),
            None => Self::new("", FileName(String::new())),
        }
    }
}

impl fmt::Display for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.id, self.name.0)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

model::text_form!(FileKey);
model::text_form!(FileName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_an_id_and_a_plain_name() {
        let key: FileKey = "01JD/air ports é.csv".parse().unwrap();
        assert_eq!((key.id(), key.name()), ("01JD", "air ports é.csv"));
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn a_link_to_a_file_is_a_path_whatever_its_name() {
        let key: FileKey = "01JD/50% ö?#.csv".parse().unwrap();
        assert_eq!(key.href(), "/api/files/01JD/50%25%20%C3%B6%3F%23.csv");
        assert_eq!(FileKey::of_href(&key.href()), Some(key));
        for none in ["/api/files/", "/api/files/01JD/..%2Fx", "https://x/api/files/a/b", "/api/files/a/%ff"] {
            assert_eq!(FileKey::of_href(none), None, "{none}");
        }
    }

    #[test]
    fn no_key_leaves_its_folder() {
        for bad in [
            "",
            "x",
            "/etc/passwd",
            "../x",
            "a/..",
            "a/.",
            "a/../b",
            "a//b",
            "a/b/c",
            "a/b\0",
            "a/\u{1b}",
            "a/b\\c",
            "a/",
            "./b",
            "é/b",
        ] {
            assert!(bad.parse::<FileKey>().is_err(), "{bad:?}");
        }
    }
}
