//! The archive of a workbook, which is a ZIP file from anybody, before the library reads its directory.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
};

use runtime::Failure;
use zip::result::ZipError;

/// Parts that a workbook may have.
const MAX_PARTS: u64 = 10_000;
/// Bytes that its directory may have.
const MAX_DIRECTORY_BYTES: u64 = 16 << 20;
/// Bytes at the end of an archive among which its directory ends.
const TAIL_BYTES: u64 = 22 + 65_535 + 20;

/// Refuses a workbook with a password.
pub(crate) fn has_password() -> Failure {
    Failure::input("the workbook has a password; save it without one and import that")
}

/// Refuses a large directory, which the library would read whole; the file's length.
pub(crate) fn check_directory(file: &Arc<File>) -> Result<u64, Failure> {
    let length = file.metadata().map_err(unreadable)?.len();
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
    match ends.chain(zip64_ends).any(|(parts, bytes)| parts > MAX_PARTS || bytes > MAX_DIRECTORY_BYTES) {
        true => Err(Failure::input(format!("the workbook has more than {MAX_PARTS} parts, too many to be one"))),
        false => Ok(length),
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

/// A ZIP archive that is not one.
pub(crate) fn broken(error: ZipError) -> Failure {
    match error {
        ZipError::InvalidPassword => has_password(),
        ZipError::UnsupportedArchive(reason) if reason.to_lowercase().contains("password") => has_password(),
        error => Failure::input(format!("the workbook is broken, or was not sent whole: {error}")),
    }
}
