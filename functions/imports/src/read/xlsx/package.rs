//! The archive of a workbook, which is a ZIP file of XML from anybody: each part is measured while it is read, before the
//! reader of its XML keeps anything of it in memory.

use std::{
    cell::Cell,
    collections::HashMap,
    fmt,
    fs::File,
    io::{self, BufReader, Read},
    sync::Arc,
};

use quick_xml::events::Event;
use runtime::Failure;
use tokio_util::sync::CancellationToken;
use zip::{ZipArchive, read::ZipFile};

use crate::read::{
    archive::{self, broken},
    unpack::UnpackLimit,
    xlsx::part::{PartReader, attribute},
    xml::XmlScan,
};

/// Bytes that a part may have, unless it is a sheet, which is read cell by cell.
const MAX_PART_BYTES: u64 = 128 << 20;
/// Tags that the part of shared texts may have, each of which takes memory.
const MAX_TEXTS: u64 = 8_000_000;
/// Bytes and tags that a part with styles or relations may have.
const MAX_SETTINGS_BYTES: u64 = 16 << 20;
const MAX_SETTINGS_TAGS: u64 = 500_000;

/// What a part holds, which says how large it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartKind {
    Settings,
    Texts,
    Sheet,
}

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

/// A part that is measured as it is read: what exceeds a limit ends the reading.
pub(crate) struct CheckedPart<'a> {
    part: ZipFile<'a, BufReader<Arc<File>>>,
    name: String,
    kind: PartKind,
    scan: XmlScan,
    /// Set while somebody reads its XML.
    is_read: bool,
    bytes: u64,
    packed: u64,
    unpacked: &'a Cell<u64>,
    limit: UnpackLimit,
    stop: &'a CancellationToken,
}

impl CheckedPart<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The failure that an error carries, if it is one of ours.
    pub(crate) fn failure(error: &io::Error) -> Option<Failure> {
        let refusal = error.get_ref()?.downcast_ref::<Refusal>()?;
        Some(match refusal {
            Refusal::Stopped => Failure::Stopped,
            Refusal::Input(message) => Failure::input(message.clone()),
        })
    }

    /// Unpacks the rest, whatever it is.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        self.is_read = false;
        io::copy(self, &mut io::sink()).map(drop)
    }

    fn check(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        if self.stop.is_cancelled() {
            return Err(Refusal::Stopped);
        }
        self.bytes += chunk.len() as u64;
        self.unpacked.set(self.unpacked.get() + chunk.len() as u64);
        let limited = self.limit.check(self.packed, self.unpacked.get());
        limited.map_err(|failure| Refusal::Input(failure.to_string()))?;
        if !self.is_read {
            return Ok(());
        }
        let (max_bytes, max_tags) = match self.kind {
            PartKind::Settings => (MAX_SETTINGS_BYTES, MAX_SETTINGS_TAGS),
            PartKind::Texts => (MAX_PART_BYTES, MAX_TEXTS),
            PartKind::Sheet => (u64::MAX, u64::MAX),
        };
        let name = &self.name;
        self.scan.read(chunk).map_err(|error| Refusal::Input(format!("the workbook's part {name} {error}")))?;
        let scan = &self.scan;
        if self.bytes > max_bytes
            || scan.tags > max_tags
            || scan.declared_texts > MAX_TEXTS
            || scan.since_cell > MAX_PART_BYTES
        {
            let limit = max_bytes.min(MAX_PART_BYTES) >> 20;
            return Err(Refusal::Input(format!(
                "the workbook's part {name} is too large to be read ({limit} MiB at most); save it as CSV"
            )));
        }
        Ok(())
    }
}

impl Read for CheckedPart<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.part.read(to)?;
        self.check(&to[..read]).map_err(io::Error::other)?;
        Ok(read)
    }
}

/// Why a part is not read on.
#[derive(Debug)]
enum Refusal {
    Stopped,
    Input(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Input(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Refusal {}

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
