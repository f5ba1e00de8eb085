//! The parts of a workbook's archive by name, and the relations between them.

use std::{cell::Cell, collections::HashMap, fs::File, io::BufReader, sync::Arc};

use quick_xml::events::Event;
use runtime::Failure;
use tokio_util::sync::CancellationToken;
use zip::ZipArchive;

use crate::read::{
    archive::{self, broken},
    unpack::UnpackLimit,
    xlsx::{
        checked::{CheckedPart, PartKind},
        part::{PartReader, attribute},
    },
    xml::XmlScan,
};

/// The archive of a workbook.
pub(crate) struct Package {
    archive: ZipArchive<BufReader<Arc<File>>>,
    /// Names of parts in lower case, and their places.
    places: HashMap<String, usize>,
    packed: u64,
    /// Bytes that all parts came to so far.
    unpacked: Cell<u64>,
    limit: UnpackLimit,
    stop: CancellationToken,
}

/// A relation of a part to another.
pub(crate) struct Relation {
    pub(crate) id: String,
    /// The last word of its type: `worksheet`, `sharedStrings`, …
    pub(crate) kind: String,
    pub(crate) target: String,
}

impl Package {
    /// Opens the archive; refuses one that is no workbook.
    pub(crate) fn open(file: &Arc<File>, limit: UnpackLimit, stop: CancellationToken) -> Result<Self, Failure> {
        let packed = archive::check_directory(file)?;
        archive::rewind(file)?;
        let archive = ZipArchive::new(BufReader::new(file.clone())).map_err(broken)?;
        // Some programs write names with `\`, with a `/` before them, or in another case than their relations.
        let places = (0..archive.len()).filter_map(|at| Some((archive.name_for_index(at)?.ok()?, at)));
        let places = places.map(|(name, at)| (key(&name), at)).collect();
        Ok(Self { archive, places, packed, unpacked: Cell::new(0), limit, stop })
    }

    /// True if the archive has a part of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.places.contains_key(&key(name))
    }

    /// The reader of a part; `None` if there is none.
    pub(crate) fn part<'a>(&'a mut self, name: &str, kind: PartKind) -> Result<Option<PartReader<'a>>, Failure> {
        let Some(at) = self.places.get(&key(name)).copied() else { return Ok(None) };
        if self.archive.by_index_data(at).map_err(broken)?.encrypted() {
            return Err(archive::has_password());
        }
        let Self { archive, packed, unpacked, limit, stop, .. } = self;
        let part = archive.by_index(at).map_err(broken)?;
        Ok(Some(PartReader::new(CheckedPart {
            part,
            name: name.to_owned(),
            kind,
            scan: XmlScan::default(),
            is_read: true,
            bytes: 0,
            packed: *packed,
            unpacked,
            limit: *limit,
            stop,
        })))
    }

    /// The relations of a part, with targets as names of parts; none where it has no list of them.
    pub(crate) fn relations(&mut self, of: &str) -> Result<Vec<Relation>, Failure> {
        let (folder, name) = of.rsplit_once('/').unwrap_or(("", of));
        let list = format!("{folder}/_rels/{name}.rels");
        let mut relations = Vec::new();
        let Some(mut part) = self.part(&list, PartKind::Settings)? else { return Ok(relations) };
        loop {
            match part.next()? {
                Event::Start(tag) if tag.local_name().as_ref() == "Relationship" => {
                    let (Some(target), Some(kind)) = (attribute(&tag, "Target"), attribute(&tag, "Type")) else {
                        continue;
                    };
                    let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                    let id = attribute(&tag, "Id").unwrap_or_default().into_owned();
                    relations.push(Relation { id, kind, target: resolve(folder, &target) });
                }
                Event::Eof => return Ok(relations),
                _ => {}
            }
        }
    }
}

/// The name of a part as it is looked up.
fn key(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches('/').to_lowercase()
}

/// The part that a target means, seen from a folder.
fn resolve(folder: &str, target: &str) -> String {
    let target = target.replace('\\', "/");
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut path: Vec<_> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(path.pop()),
            step => path.push(step),
        }
    }
    path.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_found_from_the_folder_of_its_part() {
        for (folder, target, part) in [
            ("xl", "worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("xl", "/xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("xl", "./worksheets\\sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("xl/a", "../styles.xml", "xl/styles.xml"),
            ("", "xl/workbook.xml", "xl/workbook.xml"),
            ("", "../../x.xml", "x.xml"),
        ] {
            assert_eq!(resolve(folder, target), part);
        }
        assert_eq!(key("\\XL\\Workbook.xml"), "xl/workbook.xml");
    }
}
