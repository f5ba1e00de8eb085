//! The path of a file in the store: `<environment>/<owner>/<id>/<name>`, safe for any owner and name.

use model::Environment;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::key::FileKey;

/// Encodes all but a-z, 0-9, '-', '_' and '.'. Capitals are encoded as well, so that `Ada` and `ada` are two folders even
/// on a file system that ignores case.
const ENCODED: &AsciiSet = &with_capitals(NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.'));

const fn with_capitals(mut set: AsciiSet) -> AsciiSet {
    let mut letter = b'A';
    while letter <= b'Z' {
        set = set.add(letter);
        letter += 1;
    }
    set
}

/// Leaves room for a suffix within the 255 bytes of a name on most file systems.
const MAX_SEGMENT_BYTES: usize = 200;

/// The folder of an owner.
pub(crate) fn owner_folder(environment: &Environment, owner: &str) -> String {
    format!("{environment}/{}", segment(owner))
}

/// The path of a file.
pub(crate) fn file_path(folder: &str, key: &FileKey) -> String {
    format!("{}/{}", id_folder(folder, key), segment(key.name()))
}

/// The folder of the files with a key's id.
pub(crate) fn id_folder(folder: &str, key: &FileKey) -> String {
    format!("{folder}/{}", key.id())
}

/// The folder of an environment's catalogue. It is no owner's: a segment that begins with '~' goes on with hexadecimal
/// digits.
pub(crate) fn catalogue_folder(environment: &Environment) -> String {
    format!("{environment}/~functions")
}

/// The folder of what is kept of an environment's schedules; no owner's for the same reason.
pub(crate) fn schedules_folder(environment: &Environment) -> String {
    format!("{environment}/~schedules")
}

/// The folder of what is shared in an environment.
pub(crate) fn shares_folder(environment: &Environment) -> String {
    format!("{environment}/~shared")
}

/// The folder of the notes of an environment's tasks.
pub(crate) fn notes_folder(environment: &Environment) -> String {
    format!("{environment}/~notes")
}

/// A text as one safe segment of a path; different texts never become the same segment.
fn segment(text: &str) -> String {
    let encoded = utf8_percent_encode(text, ENCODED).to_string();
    if encoded.len() > MAX_SEGMENT_BYTES {
        // No encoded text holds a '~'.
        let digest: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        return format!("~{digest}");
    }
    match encoded.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        None if encoded.is_empty() => "~".to_owned(),
        None => encoded,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_text_is_one_part_of_a_path_and_no_two_are_the_same() {
        let long = "ü".repeat(128);
        let longer = "ü".repeat(129);
        let texts = [
            "", ".", "..", "../x", "a/b", "a%2Fb", "%2e%2e", "%2E%2E", "~", "ada", "Ada", "a\\b", "a\0b", "a#1", "#1",
            "ünï", "u\u{308}", "ü", " ", "a ", "CON", "a:b", &long, &longer,
        ];
        let parts: HashSet<String> = texts.iter().map(|text| segment(text).to_ascii_lowercase()).collect();
        // `%2e%2e` and `%2E%2E` differ too: their '%' is encoded, their capitals as well.
        assert_eq!(parts.len(), texts.len());
        for part in parts {
            assert!(!part.starts_with('.') && !part.is_empty() && part.len() <= MAX_SEGMENT_BYTES, "{part}");
            assert!(part.bytes().all(|b| b.is_ascii_alphanumeric() || b"%-_.~".contains(&b)), "{part}");
        }
    }

    #[test]
    fn a_plain_owner_and_name_stay_readable() {
        let key = "01JD/airports.csv".parse().unwrap();
        let folder = owner_folder(&"prod".parse().unwrap(), "ada");
        assert_eq!(file_path(&folder, &key), "prod/ada/01JD/airports.csv");
    }
}
