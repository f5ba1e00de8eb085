//! The errors of the storage.

use std::{error::Error, io};

use crate::key::FileKey;

/// Why an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// There is no such file of this owner.
    #[error("there is no file {0}")]
    NotFound(FileKey),
    /// The storage is full.
    #[error("the storage is full")]
    Full,
    /// The owner has as many files or bytes as they may; the text says so, with the setting and what to do.
    #[error("{0}")]
    QuotaFull(String),
    /// The file is larger than allowed; the number is the limit in bytes.
    #[error("a file may have {0} bytes at most")]
    TooLarge(u64),
    /// The storage failed or cannot be reached.
    #[error("the storage failed: {0}")]
    Failed(String),
}

impl StorageError {
    pub(crate) fn of(error: object_store::Error, key: &FileKey) -> Self {
        match is_missing(&error) {
            true => Self::NotFound(key.clone()),
            false => Self::of_store(error),
        }
    }

    pub(crate) fn of_store(error: object_store::Error) -> Self {
        let io = causes(&error).find_map(|cause| cause.downcast_ref::<io::Error>());
        io.map_or_else(|| Self::Failed(words_of(&error)), Self::of_io)
    }

    /// Keeps the system's message alone: the errors around it name folders of this machine.
    pub(crate) fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// What servers say of a file that is not there.
const NO_FILE: [&str; 3] = ["BlobNotFound", "NoSuchKey", "NoSuchVersion"];
/// What stands before the words of a server that answers 404.
const NOT_FOUND: &str = "404 Not Found: ";

/// Whether a file is not there. A bucket that is gone and a proxy's page are answered 404 as well, and say nothing about a file;
/// where a server has no words (it never has for `HEAD`), it is taken to be about the file.
pub(crate) fn is_missing(error: &object_store::Error) -> bool {
    let object_store::Error::NotFound { .. } = error else { return false };
    let text = error.to_string();
    match (code_of(error), text.split_once(NOT_FOUND)) {
        (Some(code), _) => NO_FILE.contains(&code.as_str()),
        (None, Some((_, words))) => words.trim().is_empty(),
        // A folder's.
        (None, None) => true,
    }
}

/// Why a store failed, without addresses and names of its files: what its server answered, or the first cause.
pub(crate) fn words_of(error: &object_store::Error) -> String {
    match (code_of(error), element(error, "Message")) {
        // Azure adds the number of the request in lines of its own.
        (Some(code), Some(text)) => format!("its server says {code}: {}", text.lines().next().unwrap_or_default()),
        (Some(code), None) => format!("its server says {code}"),
        _ => causes(error).last().map(ToString::to_string).unwrap_or_default(),
    }
}

/// The code by which the server says why.
pub(crate) fn code_of(error: &object_store::Error) -> Option<String> {
    element(error, "Code")
}

/// An element of the XML that servers answer with, which is only in the text of the error.
fn element(error: &object_store::Error, name: &str) -> Option<String> {
    let text = error.to_string();
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim().to_owned())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause: &&'a (dyn Error + 'static)| (*cause).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_of_a_file_is_a_file_that_is_not_there() {
        let answered = |words: &str| object_store::Error::NotFound {
            path: "prod/ada/a/x".to_owned(),
            source: format!("Server returned non-2xx status code: 404 Not Found: {words}").into(),
        };
        for words in ["", "<Error><Code>NoSuchKey</Code></Error>", "<Error><Code>BlobNotFound</Code></Error>"] {
            assert!(is_missing(&answered(words)), "{words}");
        }
        for words in
            ["<Error><Code>NoSuchBucket</Code></Error>", "<html>no such backend</html>", "default backend - 404"]
        {
            assert!(!is_missing(&answered(words)), "{words}");
        }
        let of_folder = io::Error::from(io::ErrorKind::NotFound);
        assert!(is_missing(&object_store::Error::NotFound { path: "x".to_owned(), source: of_folder.into() }));
        assert!(!is_missing(&object_store::Error::Generic { store: "S3", source: "500".into() }));
    }
}
