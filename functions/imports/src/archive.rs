//! Whether a workbook may be opened: it is a ZIP archive of XML, written by anybody. Looked through once, before the
//! library that reads it, which keeps whole texts, tags and tables in memory.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    sync::Arc,
};

use runtime::Failure;
use zip::{ZipArchive, result::ZipError};

use crate::{unpack::UnpackLimit, xml::Scan};

/// Parts that a workbook may have.
const MOST_PARTS: u64 = 10_000;
/// Bytes that a part may have, unless it is a sheet, which is read cell by cell.
const LARGEST_PART: u64 = 128 << 20;
/// Tags that the part with the workbook's texts may have, each of which takes memory.
const MOST_TEXTS: u64 = 8_000_000;
/// Bytes and tags of a part that says how the workbook looks and hangs together.
const LARGEST_SETTINGS: u64 = 16 << 20;
const MOST_SETTINGS: u64 = 500_000;
/// Where the end of an archive's directory may be.
const TAIL: u64 = 22 + 65_535 + 20;

/// Refuses an archive that is no workbook, that is broken, or that would take more memory than it is given.
pub(crate) fn check(
    file: &Arc<File>,
    limit: UnpackLimit,
    going_on: &dyn Fn() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let packed = file.metadata().map_err(unreadable)?.len();
    check_directory(file, packed)?;
    rewind(file)?;
    let mut archive = ZipArchive::new(BufReader::new(file.clone())).map_err(broken)?;
    if archive.index_for_name("xl/workbook.xml").is_none() && archive.index_for_name("[Content_Types].xml").is_none() {
        return Err(Failure::input(
            "the file is a ZIP archive and no Excel workbook; unpack it and import what is in it",
        ));
    }
    let mut unpacked = 0;
    for at in 0..archive.len() {
        let entry = archive.by_index_data(at).map_err(broken)?;
        if entry.encrypted() {
            return Err(protected());
        }
        let mut part = archive.by_index(at).map_err(broken)?;
        let name = part.name().map_err(broken)?.into_owned();
        scan(&mut part, &name, |read| {
            unpacked += read;
            limit.check(packed, unpacked)?;
            going_on()
        })?;
    }
    Ok(())
}

/// What a person reads of a workbook with a password.
pub(crate) fn protected() -> Failure {
    Failure::input("the workbook has a password; save it without one and import that")
}

/// Its directory is read whole, so it must be small; looked at before anybody reads it.
fn check_directory(file: &Arc<File>, length: u64) -> Result<(), Failure> {
    let mut tail = Vec::new();
    let mut reader: &File = file;
    reader.seek(SeekFrom::Start(length.saturating_sub(TAIL))).map_err(unreadable)?;
    reader.take(TAIL).read_to_end(&mut tail).map_err(unreadable)?;
    let ends: Vec<usize> = memchr::memmem::find_iter(&tail, b"PK\x05\x06").collect();
    if ends.is_empty() {
        return Err(Failure::input("the workbook ends too early; it was cut off somewhere"));
    }
    let number = |at: usize, length: usize| {
        let bytes = tail.get(at..at + length).unwrap_or_default();
        bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    for end in ends {
        if number(end + 10, 2) > MOST_PARTS || number(end + 12, 4) > LARGEST_SETTINGS {
            return Err(too_many_parts());
        }
    }
    // The same in the form for large archives.
    for end in memchr::memmem::find_iter(&tail, b"PK\x06\x06") {
        if number(end + 32, 8) > MOST_PARTS || number(end + 40, 8) > LARGEST_SETTINGS {
            return Err(too_many_parts());
        }
    }
    Ok(())
}

fn too_many_parts() -> Failure {
    Failure::input(format!("the workbook has more than {MOST_PARTS} parts, too many to be one"))
}

fn scan(part: &mut impl Read, name: &str, mut count: impl FnMut(u64) -> Result<(), Failure>) -> Result<(), Failure> {
    let lower = name.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    let (largest, most_tags) = match () {
        () if ends(&["sharedstrings.xml"]) => (LARGEST_PART, MOST_TEXTS),
        () if ends(&["styles.xml", "workbook.xml", ".rels"]) => (LARGEST_SETTINGS, MOST_SETTINGS),
        () if lower.starts_with("xl/worksheets/sheet") => (u64::MAX, u64::MAX),
        () => (LARGEST_PART, u64::MAX),
    };
    // Pictures are no XML, and nobody reads them.
    let is_xml = !ends(&[".png", ".jpg", ".jpeg", ".gif", ".bmp", ".emf", ".wmf", ".bin", ".tiff"]);
    let (mut scan, mut bytes) = (Scan::default(), 0);
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = match part.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) => {
                return Err(Failure::input(format!(
                    "the workbook is broken: its part {name} cannot be unpacked: {error}"
                )));
            }
        };
        bytes += read as u64;
        count(read as u64)?;
        if is_xml {
            scan.read(&piece[..read]).map_err(|why| Failure::input(format!("the workbook's part {name} {why}")))?;
        }
        let promised = scan.promised();
        if bytes > largest || scan.tags() > most_tags || promised > MOST_TEXTS || scan.since_cell() > LARGEST_PART {
            let most = largest.min(LARGEST_PART) >> 20;
            let words =
                format!("the workbook's part {name} is too large to be read ({most} MiB at most); save it as CSV");
            return Err(Failure::input(words));
        }
    }
}

/// So that it is read from its beginning.
pub(crate) fn rewind(file: &Arc<File>) -> Result<(), Failure> {
    let mut file: &File = file;
    file.rewind().map_err(unreadable)
}

fn unreadable(error: io::Error) -> Failure {
    Failure::passing("the copy of the workbook could not be read", error)
}

fn broken(error: ZipError) -> Failure {
    match error {
        ZipError::InvalidPassword => protected(),
        ZipError::UnsupportedArchive(why) if why.to_lowercase().contains("password") => protected(),
        error => Failure::input(format!("the workbook is broken, or was not sent whole: {error}")),
    }
}
