//! Checks a workbook, which is a ZIP archive of XML from anybody, before the library reads it: that keeps whole texts,
//! tags and tables in memory.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    sync::Arc,
};

use runtime::Failure;
use zip::{ZipArchive, result::ZipError};

use crate::read::{unpack::UnpackLimit, xml::XmlScan};

/// Parts that a workbook may have.
const MAX_PARTS: u64 = 10_000;
/// Bytes that a part may have, unless it is a sheet, which is read cell by cell.
const MAX_PART_BYTES: u64 = 128 << 20;
/// Tags that the part of shared texts may have, each of which takes memory.
const MAX_TEXTS: u64 = 8_000_000;
/// Bytes and tags that a part with styles or relations may have.
const MAX_SETTINGS_BYTES: u64 = 16 << 20;
const MAX_SETTINGS_TAGS: u64 = 500_000;
/// Bytes at the end of an archive among which its directory ends.
const TAIL_BYTES: u64 = 22 + 65_535 + 20;

/// Refuses an archive that is no workbook, that is broken, or that would take more memory than it is given.
pub(crate) fn check(
    file: &Arc<File>,
    limit: UnpackLimit,
    check_stop: &dyn Fn() -> Result<(), Failure>,
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
            return Err(has_password());
        }
        let mut part = archive.by_index(at).map_err(broken)?;
        let name = part.name().map_err(broken)?.into_owned();
        scan(&mut part, &name, |read| {
            unpacked += read;
            limit.check(packed, unpacked)?;
            check_stop()
        })?;
    }
    Ok(())
}

/// Refuses a workbook with a password.
pub(crate) fn has_password() -> Failure {
    Failure::input("the workbook has a password; save it without one and import that")
}

/// Refuses a large directory, which the library would read whole.
fn check_directory(file: &Arc<File>, length: u64) -> Result<(), Failure> {
    let mut tail = Vec::new();
    let mut reader: &File = file;
    reader.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).map_err(unreadable)?;
    reader.take(TAIL_BYTES).read_to_end(&mut tail).map_err(unreadable)?;
    let find = |signature: &'static [u8]| memchr::memmem::find_iter(&tail, signature);
    if find(b"PK\x05\x06").next().is_none() {
        return Err(Failure::input("the workbook ends too early; it was cut off somewhere"));
    }
    let number = |at: usize, length: usize| {
        let bytes = tail.get(at..at + length).unwrap_or_default();
        bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let ends = find(b"PK\x05\x06").map(|end| (number(end + 10, 2), number(end + 12, 4)));
    // ZIP64, the format of large archives.
    let zip64_ends = find(b"PK\x06\x06").map(|end| (number(end + 32, 8), number(end + 40, 8)));
    match ends.chain(zip64_ends).any(|(parts, bytes)| parts > MAX_PARTS || bytes > MAX_SETTINGS_BYTES) {
        true => Err(Failure::input(format!("the workbook has more than {MAX_PARTS} parts, too many to be one"))),
        false => Ok(()),
    }
}

fn scan(part: &mut impl Read, name: &str, mut count: impl FnMut(u64) -> Result<(), Failure>) -> Result<(), Failure> {
    let lower = name.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    let (max_bytes, max_tags) = match () {
        () if ends(&["sharedstrings.xml"]) => (MAX_PART_BYTES, MAX_TEXTS),
        () if ends(&["styles.xml", "workbook.xml", ".rels"]) => (MAX_SETTINGS_BYTES, MAX_SETTINGS_TAGS),
        () if lower.starts_with("xl/worksheets/sheet") => (u64::MAX, u64::MAX),
        () => (MAX_PART_BYTES, u64::MAX),
    };
    // Pictures are no XML, and the library does not read them.
    let is_xml = !ends(&[".png", ".jpg", ".jpeg", ".gif", ".bmp", ".emf", ".wmf", ".bin", ".tiff"]);
    let (mut scan, mut bytes) = (XmlScan::default(), 0);
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = match part.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) => {
                let message = format!("the workbook is broken: its part {name} cannot be unpacked: {error}");
                return Err(Failure::input(message));
            }
        };
        bytes += read as u64;
        count(read as u64)?;
        if is_xml {
            scan.read(&chunk[..read]).map_err(|error| Failure::input(format!("the workbook's part {name} {error}")))?;
        }
        if bytes > max_bytes
            || scan.tags > max_tags
            || scan.declared_texts > MAX_TEXTS
            || scan.since_cell > MAX_PART_BYTES
        {
            let limit = max_bytes.min(MAX_PART_BYTES) >> 20;
            let message =
                format!("the workbook's part {name} is too large to be read ({limit} MiB at most); save it as CSV");
            return Err(Failure::input(message));
        }
    }
}

/// Goes back to the beginning of the file.
pub(crate) fn rewind(file: &Arc<File>) -> Result<(), Failure> {
    let mut file: &File = file;
    file.rewind().map_err(unreadable)
}

fn unreadable(error: io::Error) -> Failure {
    Failure::passing("the copy of the workbook could not be read", error)
}

fn broken(error: ZipError) -> Failure {
    match error {
        ZipError::InvalidPassword => has_password(),
        ZipError::UnsupportedArchive(reason) if reason.to_lowercase().contains("password") => has_password(),
        error => Failure::input(format!("the workbook is broken, or was not sent whole: {error}")),
    }
}
