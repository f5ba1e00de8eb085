//! A part of a workbook, which is XML from anybody: it is measured while it is read, before the reader of its XML keeps
//! anything of it in memory.

use std::{
    cell::Cell,
    fmt,
    fs::File,
    io::{self, BufReader, Read},
    sync::Arc,
};

use runtime::Failure;
use tokio_util::sync::CancellationToken;
use zip::read::ZipFile;

use crate::read::{unpack::UnpackLimit, xml::XmlScan};

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

/// A part that is measured as it is read: what exceeds a limit ends the reading.
pub(crate) struct CheckedPart<'a> {
    pub(super) part: ZipFile<'a, BufReader<Arc<File>>>,
    pub(super) name: String,
    pub(super) kind: PartKind,
    pub(super) scan: XmlScan,
    /// Set while somebody reads its XML.
    pub(super) is_read: bool,
    pub(super) bytes: u64,
    pub(super) packed: u64,
    pub(super) unpacked: &'a Cell<u64>,
    pub(super) limit: UnpackLimit,
    pub(super) stop: &'a CancellationToken,
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
