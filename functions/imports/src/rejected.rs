//! Rows that are not imported: counted, and kept as a file of the task's owner.

use bytes::Bytes;
use runtime::{Context, Failure};
use serde::{Deserialize, Serialize};
use storage::{FileKey, OwnerFiles, StorageError, Upload};
use tokio::runtime::Handle;

use crate::source;

/// So many may be rejected whatever their part of all.
const ALWAYS_ALLOWED: u64 = 100;
/// How many are shown in the result.
const SHOWN: usize = 5;
/// Bytes that are written at once.
const PIECE: usize = 64 * 1024;

/// A row that was not imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRow {
    /// The line of the file on which it begins.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// The rows that were not imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRows {
    /// How many.
    pub rows: u64,
    /// A CSV with their lines, reasons and texts.
    pub href: String,
    /// The first few.
    pub first: Vec<RejectedRow>,
}

/// Collects rejected rows; used by a blocking thread. Dropped before `finish`, it leaves no file.
pub(crate) struct Rejected {
    files: OwnerFiles,
    key: FileKey,
    limit: u64,
    runtime: Handle,
    rows: u64,
    first: Vec<RejectedRow>,
    upload: Option<Upload>,
    waiting: Vec<u8>,
}

impl Rejected {
    /// None so far; more than `limit` end the import.
    pub(crate) fn new(context: &Context, limit: u64) -> Self {
        let name = "rejected.csv".parse().expect("it is a file name");
        Self {
            files: context.files.clone(),
            // The task's id, so that a second attempt writes the same file.
            key: FileKey::new(&context.task.to_string(), name).expect("a task id is an id"),
            limit,
            runtime: Handle::current(),
            rows: 0,
            first: Vec::new(),
            upload: None,
            waiting: Vec::new(),
        }
    }

    /// Keeps a row.
    pub(crate) fn add(&mut self, line: u64, reason: String, raw: &[u8]) -> Result<(), Failure> {
        self.rows += 1;
        if self.waiting.is_empty() && self.upload.is_none() {
            self.waiting.extend_from_slice(b"line,reason,row\n");
        }
        let row = format!("{line},{},{}\n", quoted(&reason), quoted(&String::from_utf8_lossy(raw)));
        self.waiting.extend_from_slice(row.as_bytes());
        if self.first.len() < SHOWN {
            self.first.push(RejectedRow { line, reason });
        }
        if self.rows > self.limit {
            return Err(self.too_many(format!("more than {} rows", self.limit)));
        }
        if self.waiting.len() >= PIECE {
            self.write().map_err(failure)?;
        }
        Ok(())
    }

    /// Makes the file visible; too many for so many imported rows end the import.
    pub(crate) fn finish(&mut self, imported: u64) -> Result<Option<RejectedRows>, Failure> {
        if self.rows == 0 {
            return Ok(None);
        }
        if imported == 0 || (self.rows > ALWAYS_ALLOWED && self.rows * 10 > self.rows + imported) {
            return Err(self.too_many(format!("{} of {} rows", self.rows, self.rows + imported)));
        }
        self.write().map_err(failure)?;
        if let Some(upload) = self.upload.take() {
            self.runtime.block_on(upload.finish()).map_err(failure)?;
        }
        let first = std::mem::take(&mut self.first);
        Ok(Some(RejectedRows { rows: self.rows, href: format!("/api/files/{}", self.key), first }))
    }

    fn write(&mut self) -> Result<(), StorageError> {
        let piece = Bytes::from(std::mem::take(&mut self.waiting));
        self.runtime.block_on(async {
            let upload = match &mut self.upload {
                Some(upload) => upload,
                none => none.insert(self.files.put(self.key.clone()).await?),
            };
            upload.write(piece).await
        })
    }

    fn too_many(&self, how_many: String) -> Failure {
        let first: Vec<_> = self.first.iter().map(|row| format!("line {}: {}", row.line, row.reason)).collect();
        Failure::Permanent {
            reason: "rejected",
            message: format!("{how_many} do not fit, so nothing was imported; the first: {}", first.join("; ")),
        }
    }
}

fn failure(error: StorageError) -> Failure {
    source::failure(error, "the rejected rows could not be kept")
}

fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}
