//! Definitions that users put into a folder, read when a worker starts and when they change; each fault names its file
//! and line.

use std::{collections::BTreeMap, fs, path::Path};

mod current;
mod fault;
mod policies;
mod schedules;
mod source;

pub use current::Current;
pub use fault::{Fault, Faults};
pub use policies::policies;
pub use schedules::{Scheduled, WrongAt, delivered_schedules, schedules};
pub use source::{Segment, Source, line_of};

/// The most definitions that a folder may hold.
const MAX_DEFINITIONS: usize = 1000;

/// A folder in which each definition is a set of files with the same name and different extensions, such as
/// `sales.toml` and `sales.sql`.
pub struct Folder<const FILES: usize> {
    setting: &'static str,
    /// A fault of the folder itself.
    fault: Option<Fault>,
    definitions: BTreeMap<String, Result<[Source; FILES], Vec<Fault>>>,
}

impl<const FILES: usize> Folder<FILES> {
    /// Reads all files with these extensions; an empty path is a folder with none. Other files are ignored.
    ///
    /// `setting` names the folder in error messages, such as `reports.definitions (BELLWIRE_REPORTS__DEFINITIONS)`.
    pub fn open(setting: &'static str, folder: &Path, extensions: [&str; FILES]) -> Self {
        match names(folder, &extensions) {
            Err(fault) => Self { setting, fault: Some(fault), definitions: BTreeMap::new() },
            Ok(names) => {
                let read = |name: String| (name.clone(), sources(folder, &name, extensions));
                Self { setting, fault: None, definitions: names.into_iter().map(read).collect() }
            }
        }
    }

    /// The names of all definitions, the faulty ones included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.definitions.keys().map(String::as_str)
    }

    /// The files of a definition, in the order of the extensions.
    pub fn sources(&self, name: &str) -> Option<&[Source; FILES]> {
        self.definitions.get(name)?.as_ref().ok()
    }

    /// Reads each definition, then checks those that could be read against each other. All faults are collected.
    pub fn read<T>(
        &self,
        mut read: impl FnMut(&[Source; FILES]) -> Result<T, Vec<Fault>>,
        check: impl FnOnce(&BTreeMap<String, T>) -> Vec<Fault>,
    ) -> Result<BTreeMap<String, T>, Faults> {
        let mut faults: Vec<_> = self.fault.iter().cloned().collect();
        let mut found = BTreeMap::new();
        for (name, sources) in &self.definitions {
            match sources.as_ref().map_err(Clone::clone).and_then(&mut read) {
                Ok(definition) => drop(found.insert(name.clone(), definition)),
                Err(more) => faults.extend(more),
            }
        }
        faults.extend(check(&found));
        if faults.is_empty() { Ok(found) } else { Err(Faults { setting: self.setting, faults }) }
    }
}

/// The names of all definitions in a folder.
fn names(folder: &Path, extensions: &[&str]) -> Result<Vec<String>, Fault> {
    if folder.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let fault = |reason: String| Fault { file: folder.display().to_string(), line: None, reason };
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let paths = entries.map_err(|error| fault(source::describe(&error)))?.into_iter().map(|entry| entry.path());
    let is_ours = |path: &Path| path.extension().is_some_and(|ending| extensions.iter().any(|ours| ending == *ours));
    let mut names: Vec<_> =
        paths.filter(|path| is_ours(path)).filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names.dedup();
    match names.len() {
        0..=MAX_DEFINITIONS => Ok(names),
        many => Err(fault(format!("it holds {many} definitions; {MAX_DEFINITIONS} are allowed"))),
    }
}

fn sources<const FILES: usize>(
    folder: &Path,
    name: &str,
    extensions: [&str; FILES],
) -> Result<[Source; FILES], Vec<Fault>> {
    if let Err(reason) = check_name(name) {
        return Err(vec![Fault { file: format!("{name}.{}", extensions[0]), line: None, reason: reason.to_owned() }]);
    }
    let mut faults = Vec::new();
    let sources = extensions
        .map(|extension| Source::read(folder, &format!("{name}.{extension}")).map_err(|fault| faults.push(fault)).ok());
    if faults.is_empty() { Ok(sources.map(|source| source.expect("without a fault it was read"))) } else { Err(faults) }
}

/// Checks the name of a definition: 1 to 64 of a-z, 0-9, '_' and '-', beginning with a letter.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    let good =
        name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(plain);
    if good { Ok(()) } else { Err("its name has 1 to 64 of a-z, 0-9, '_' and '-', and begins with a letter") }
}

/// Checks an entry of `allow`: `user:ID` or `group:NAME`.
pub fn check_allow(entry: &str) -> Result<(), String> {
    match entry.split_once(':') {
        Some(("user" | "group", id)) if model::audience::is_id(id) => Ok(()),
        _ => Err(format!("allow: {entry:?} is neither user:ID nor group:NAME")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in files {
            fs::write(folder.path().join(name), *name).unwrap();
        }
        folder
    }

    fn texts<const FILES: usize>(sources: &[Source; FILES]) -> Result<[String; FILES], Vec<Fault>> {
        Ok(sources.each_ref().map(|source| source.text.clone()))
    }

    #[test]
    fn a_folder_gives_its_definitions_in_order_and_ignores_other_files() {
        let folder = folder(&["b.toml", "a.toml", "readme.md", "a.sql"]);
        let read = |path: &Path| Folder::open("setting", path, ["toml"]).read(texts, |_| Vec::new());
        assert_eq!(read(folder.path()).unwrap().into_values().collect::<Vec<_>>(), [["a.toml"], ["b.toml"]]);
        assert!(read(Path::new("")).unwrap().is_empty());
        let missing = read(&folder.path().join("nowhere")).unwrap_err().to_string();
        assert!(missing.starts_with("setting:\n") && missing.ends_with("nowhere: it is missing"), "{missing}");
    }

    #[test]
    fn all_faults_are_told_in_the_order_of_the_files_those_of_the_whole_last() {
        let folder = folder(&["a.toml", "a.sql", "b.toml", "C.sql", "d.sql", "d.toml"]);
        let opened = Folder::open("setting", folder.path(), ["toml", "sql"]);
        assert_eq!(opened.names().collect::<Vec<_>>(), ["C", "a", "b", "d"]);
        assert_eq!(opened.sources("d").unwrap()[1].file, "d.sql");
        let read = |[toml, _]: &[Source; 2]| if toml.name == "a" { Err(vec![toml.fault("wrong")]) } else { Ok(()) };
        let check = |found: &BTreeMap<String, ()>| {
            found.keys().map(|name| Fault { file: name.clone(), line: None, reason: "checked".to_owned() }).collect()
        };
        let faults: Vec<_> = opened.read(read, check).unwrap_err().faults.iter().map(ToString::to_string).collect();
        assert!(faults[0].starts_with("C.toml: its name has 1 to 64"), "{faults:?}");
        assert_eq!(faults[1..], ["a.toml: wrong", "b.sql: it is missing", "d: checked"]);
    }
}
