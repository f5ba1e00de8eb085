//! Definitions that users drop into a folder: read when a worker starts, each fault told with its file and line.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

/// Bytes that one file may have.
const LARGEST: u64 = 256 * 1024;
/// Definitions that a folder may hold.
const MOST: usize = 1000;

/// Something wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, such as `sales.toml`; a folder where it is wrong itself.
    pub file: String,
    /// From 1, where one is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.why),
            None => write!(f, "{}: {}", self.file, self.why),
        }
    }
}

/// All that is wrong with a folder's definitions, in the order of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// The setting that names the folder, such as `reports.definitions (BELLWIRE_REPORTS__DEFINITIONS)`.
    pub setting: &'static str,
    /// One at least.
    pub faults: Vec<Fault>,
}

impl Faults {
    /// Nothing, if there are no faults.
    pub fn unless_none(setting: &'static str, faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self { setting, faults }) }
    }
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.setting)?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name, such as `sales.toml`.
    pub file: String,
    /// What it defines: `sales`.
    pub name: String,
    /// What it holds.
    pub text: String,
}

impl Source {
    /// Reads one file; `file` is its name within the folder.
    pub fn read(folder: &Path, file: &str) -> Result<Self, Fault> {
        let fault = |why: String| Fault { file: file.to_owned(), line: None, why };
        let path = folder.join(file);
        let bytes = fs::metadata(&path).map_err(|error| fault(in_words(&error)))?.len();
        if bytes > LARGEST {
            return Err(fault(format!("it is larger than {} KiB", LARGEST / 1024)));
        }
        let text = fs::read_to_string(&path).map_err(|error| fault(in_words(&error)))?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { file: file.to_owned(), name, text })
    }

    /// Reads its TOML as a type; spans within that come from [`toml::Spanned`].
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        toml::from_str(&self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.fault_at(at, error.message().trim().replace('\n', " "))
        })
    }

    /// What is wrong at a byte of the text.
    pub fn fault_at(&self, at: usize, why: impl Into<String>) -> Fault {
        Fault { file: self.file.clone(), line: Some(line_of(&self.text, at)), why: why.into() }
    }

    /// What is wrong with the whole of it.
    pub fn fault(&self, why: impl Into<String>) -> Fault {
        Fault { file: self.file.clone(), line: None, why: why.into() }
    }
}

/// What is wrong with a definition's name, if anything: it has 1 to 64 of a-z, 0-9, '_' and '-', beginning with a letter.
pub fn fault_of_name(name: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    let good =
        name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(plain);
    (!good).then_some("its name has 1 to 64 of a-z, 0-9, '_' and '-', and begins with a letter")
}

/// The names of all files with an ending in a folder, sorted; an empty path is a folder with none.
pub fn files(folder: &Path, endings: &[&str]) -> Result<Vec<String>, Fault> {
    if folder.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let fault = |why: String| Fault { file: folder.display().to_string(), line: None, why };
    let of_ending = |path: &PathBuf| {
        path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| endings.contains(&ending))
    };
    let entries = fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| Ok(entry?.path())).filter(|path| path.as_ref().map_or(true, of_ending)).collect()
    });
    let paths: Vec<PathBuf> = entries.map_err(|error| fault(in_words(&error)))?;
    if paths.len() > MOST {
        return Err(fault(format!("it holds {} files of definitions; {MOST} are allowed", paths.len())));
    }
    let mut names: Vec<_> = paths.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// What is wrong with one entry of `allow`, if anything: it is `user:ID` or `group:NAME`.
pub fn fault_of_allow(entry: &str) -> Option<String> {
    match entry.split_once(':') {
        Some(("user" | "group", who)) if model::audience::is_id(who) => None,
        _ => Some(format!("allow: {entry:?} is neither user:ID nor group:NAME")),
    }
}

/// The line, from 1, of a byte in a text.
pub fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
}

fn in_words(error: &io::Error) -> String {
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
    fn a_folder_gives_its_files_in_order_and_leaves_others_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.toml", "a.toml", "readme.md", "c.sql"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(files(folder.path(), &["toml"]).unwrap(), ["a.toml", "b.toml"]);
        assert!(files(Path::new(""), &["toml"]).unwrap().is_empty());
        let missing = files(&folder.path().join("nowhere"), &["toml"]).unwrap_err();
        assert!(missing.to_string().ends_with("nowhere: it is missing"), "{missing}");
    }

    #[test]
    fn a_file_that_is_missing_too_large_or_no_text_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("large.toml"), vec![b'#'; 256 * 1024 + 1]).unwrap();
        fs::write(folder.path().join("latin.toml"), b"title = '\xe9'").unwrap();
        for (file, why) in [("gone.toml", "missing"), ("large.toml", "256 KiB"), ("latin.toml", "UTF-8")] {
            let fault = Source::read(folder.path(), file).unwrap_err().to_string();
            assert!(fault.starts_with(file) && fault.contains(why), "{fault}");
        }
    }
}
