//! A file of a definition, and the lines of its faults.

use std::{fs, io, path::Path};

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, Deserializer},
};

use crate::definitions::fault::Fault;

/// The most bytes of one file.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// The keys that a definition may have, whatever else it is of: its schedules and its policy.
const SHARED: [&str; 5] = ["schedule", "priority", "retry", "unique", "rate"];

/// A file of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name of the file, such as `sales.toml`.
    pub file: String,
    /// The name of the definition: `sales`.
    pub name: String,
    /// The content.
    pub text: String,
}

/// A step on the way to a value in a TOML document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// A key of a table.
    Key(String),
    /// An index of an array, from 0.
    Index(usize),
}

impl From<&str> for Segment {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl Source {
    /// Reads a file of a folder.
    pub fn read(folder: &Path, file: &str) -> Result<Self, Fault> {
        let fault = |reason: String| Fault { file: file.to_owned(), line: None, reason };
        let path = folder.join(file);
        let bytes = fs::metadata(&path).map_err(|error| fault(describe(&error)))?.len();
        if bytes > MAX_FILE_BYTES {
            return Err(fault(format!("it is larger than {} KiB", MAX_FILE_BYTES / 1024)));
        }
        let text = fs::read_to_string(&path).map_err(|error| fault(describe(&error)))?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { file: file.to_owned(), name, text })
    }

    /// Parses its TOML, without the schedules and the policy that every definition may have; a [`toml::Spanned`] field keeps the
    /// position for [`Source::fault_at`].
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let mut table = DeTable::parse(&self.text).map_err(|error| self.fault_of(&error))?;
        SHARED.iter().for_each(|key| drop(table.get_mut().remove(*key)));
        T::deserialize(Deserializer::from(table)).map_err(|error| self.fault_of(&error))
    }

    /// Parses what stands under these of the keys that [`Source::parse`] leaves out, as a table of them.
    pub(super) fn parse_shared<T: DeserializeOwned>(&self, keys: &[&str]) -> Result<T, Fault> {
        let mut table = DeTable::parse(&self.text).map_err(|error| self.fault_of(&error))?;
        let others = table.get_ref().keys().map(|key| key.get_ref().to_string());
        let others: Vec<_> = others.filter(|key| !keys.contains(&key.as_str())).collect();
        others.iter().for_each(|key| drop(table.get_mut().remove(key.as_str())));
        T::deserialize(Deserializer::from(table)).map_err(|error| self.fault_of(&error))
    }

    fn fault_of(&self, error: &toml::de::Error) -> Fault {
        let offset = error.span().map_or(0, |span| span.start);
        self.fault_at(offset, error.message().trim().replace('\n', " "))
    }

    /// A fault of the whole file.
    pub fn fault(&self, reason: impl Into<String>) -> Fault {
        Fault { file: self.file.clone(), line: None, reason: reason.into() }
    }

    /// A fault at a byte offset, as a [`toml::Spanned`] has it.
    pub fn fault_at(&self, offset: usize, reason: impl Into<String>) -> Fault {
        Fault { file: self.file.clone(), line: Some(line_of(&self.text, offset)), reason: reason.into() }
    }

    /// A fault of the value at a path such as `step`, 1, `input`: for values that no `Spanned` field describes. Where
    /// the value is missing, the line is that of the nearest value around it.
    pub fn fault_in(&self, path: &[Segment], reason: impl Into<String>) -> Fault {
        self.fault_at(self.offset(path), reason)
    }

    fn offset(&self, path: &[Segment]) -> usize {
        let (root, _) = DeTable::parse_recoverable(&self.text);
        let (mut table, mut array): (Option<&DeTable<'_>>, Option<&DeArray<'_>>) = (Some(root.get_ref()), None);
        let mut offset = 0;
        for segment in path {
            let found: Option<(usize, &Spanned<DeValue<'_>>)> = match segment {
                Segment::Key(name) => table
                    .and_then(|table| table.iter().find(|(key, _)| key.get_ref() == name))
                    .map(|(key, value)| (key.span().start, value)),
                Segment::Index(index) => {
                    array.and_then(|array| array.get(*index)).map(|value| (value.span().start, value))
                }
            };
            let Some((start, value)) = found else { break };
            offset = start;
            (table, array) = (value.get_ref().as_table(), value.get_ref().as_array());
        }
        offset
    }
}

/// The line, from 1, of a byte offset in a text.
pub fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
}

pub(super) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it is missing".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Defined {
        #[expect(dead_code, reason = "what matters is whether it can be read")]
        title: String,
    }

    fn source(text: &str) -> Source {
        Source { file: "a.toml".to_owned(), name: "a".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_fault_names_its_file_and_line() {
        let fault = source("title = 'x'\n\ntitel = 'y'\n").parse::<Defined>().unwrap_err();
        assert_eq!((fault.file.as_str(), fault.line), ("a.toml", Some(3)));
        assert!(fault.to_string().starts_with("a.toml:3: unknown field `titel`"), "{fault}");
        assert_eq!(source("title = 'x").parse::<Defined>().unwrap_err().line, Some(1));
    }

    #[test]
    fn the_line_of_a_path_is_that_of_its_key() {
        let text =
            "title = 'x'\n\n[[step]]\nid = 'a'\n\n[[step]]\nid = 'b'\n[step.input]\nfile = '{{ x }}'\nlist = [\n1]\n";
        let line = |path: &[Segment]| source(text).fault_in(path, "").line.unwrap();
        assert_eq!(line(&["title".into()]), 1);
        assert_eq!(line(&["step".into(), 1.into()]), 6);
        assert_eq!(line(&["step".into(), 1.into(), "id".into()]), 7);
        assert_eq!(line(&["step".into(), 1.into(), "input".into(), "file".into()]), 9);
        assert_eq!(line(&["step".into(), 1.into(), "input".into(), "list".into(), 0.into()]), 11);
        assert_eq!(line(&["step".into(), 1.into(), "needs".into()]), 6, "a missing key counts as its table");
    }

    #[test]
    fn a_file_that_is_missing_too_large_or_no_text_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("large.toml"), vec![b'#'; 256 * 1024 + 1]).unwrap();
        fs::write(folder.path().join("latin.toml"), b"title = '\xe9'").unwrap();
        for (file, reason) in [("gone.toml", "missing"), ("large.toml", "256 KiB"), ("latin.toml", "UTF-8")] {
            let fault = Source::read(folder.path(), file).unwrap_err().to_string();
            assert!(fault.starts_with(file) && fault.contains(reason), "{fault}");
        }
    }
}
