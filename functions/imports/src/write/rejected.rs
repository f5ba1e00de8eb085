//! The rows that are not imported: counted, and written to a file of the task's owner.

use bytes::Bytes;
use runtime::{Context, Failure};
use storage::{FileKey, OwnerFiles, StorageError, Upload};
use tokio::runtime::Handle;

use crate::{
    definition::rejected::RejectedLimit,
    output::{RejectedRow, RejectedRows},
    read::source::storage_failure,
    write::sql::quoted,
};

/// How a person imports the others all the same.
const CONFIRM: &str = " (to import the others all the same, say so: accept_rejected)";
/// The number of rows in the result.
const FIRST_ROWS: usize = 5;
/// Bytes that are written at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Writes rejected rows; used by a blocking thread. Dropped before `finish`, it leaves no file.
pub(crate) struct RejectedRowsWriter {
    files: OwnerFiles,
    key: FileKey,
    /// `None` if a person accepted any number.
    limit: Option<RejectedLimit>,
    max_bytes: u64,
    bytes: u64,
    runtime: Handle,
    rows: u64,
    first: Vec<RejectedRow>,
    upload: Option<Upload>,
    buffer: Vec<u8>,
}

impl RejectedRowsWriter {
    /// Creates a writer; more than `max_bytes` end the import.
    pub(crate) fn new(context: &Context, max_bytes: u64) -> Self {
        let name = "rejected.csv".parse().expect("it is a file name");
        Self {
            files: context.files.clone(),
            // By the task's id, so that a second attempt writes the same file.
            key: FileKey::new(&context.task.to_string(), name).expect("a task id is an id"),
            limit: None,
            max_bytes,
            bytes: 0,
            runtime: Handle::current(),
            rows: 0,
            first: Vec::new(),
            upload: None,
            buffer: Vec::new(),
        }
    }

    /// Sets how many rows may be rejected.
    pub(crate) fn limit_to(&mut self, limit: Option<RejectedLimit>) {
        self.limit = limit;
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, line: u64, reason: String, raw: &[u8]) -> Result<(), Failure> {
        self.rows += 1;
        if self.buffer.is_empty() && self.upload.is_none() {
            self.buffer.extend_from_slice(b"line,reason,row\n");
        }
        let row = format!("{line},{},{}\n", quoted(&reason), quoted(&String::from_utf8_lossy(raw)));
        self.buffer.extend_from_slice(row.as_bytes());
        self.bytes += row.len() as u64;
        if self.first.len() < FIRST_ROWS {
            self.first.push(RejectedRow { line, reason });
        }
        if let Some(limit) = self.limit.filter(|limit| self.rows > limit.rows) {
            return Err(self.too_many(&format!("more than {} rows", limit.rows), CONFIRM));
        }
        if self.bytes > self.max_bytes {
            let limit = self.max_bytes >> 20;
            let count = format!("rows of more than {limit} MiB in all (imports.rejected_bytes)");
            return Err(self.too_many(&count, ""));
        }
        if self.buffer.len() >= CHUNK_BYTES {
            self.write().map_err(write_failure)?;
        }
        Ok(())
    }

    /// Publishes the file; too many rejected rows for the imported ones end the import.
    pub(crate) fn finish(&mut self, imported: u64) -> Result<Option<RejectedRows>, Failure> {
        if self.rows == 0 {
            return Ok(None);
        }
        let all = self.rows + imported;
        let confirm = match self.limit {
            _ if imported == 0 => Some(""),
            Some(limit) if !limit.allows(self.rows, all) => Some(CONFIRM),
            _ => None,
        };
        if let Some(confirm) = confirm {
            return Err(self.too_many(&format!("{} of {all} rows", self.rows), confirm));
        }
        self.write().map_err(write_failure)?;
        if let Some(upload) = self.upload.take() {
            self.runtime.block_on(upload.finish()).map_err(write_failure)?;
        }
        let first = std::mem::take(&mut self.first);
        Ok(Some(RejectedRows { rows: self.rows, href: format!("/api/files/{}", self.key), first }))
    }

    fn write(&mut self) -> Result<(), StorageError> {
        let chunk = Bytes::from(std::mem::take(&mut self.buffer));
        self.runtime.block_on(async {
            let upload = match &mut self.upload {
                Some(upload) => upload,
                none => none.insert(self.files.put(self.key.clone()).await?),
            };
            upload.write(chunk).await
        })
    }

    fn too_many(&self, count: &str, confirm: &str) -> Failure {
        let first: Vec<_> = self.first.iter().map(|row| format!("line {}: {}", row.line, row.reason)).collect();
        Failure::Permanent {
            reason: "rejected",
            message: format!("{count} do not fit, so nothing was imported{confirm}; the first: {}", first.join("; ")),
        }
    }
}

fn write_failure(error: StorageError) -> Failure {
    storage_failure(error, "the rejected rows could not be kept")
}
