//! The rows that are not imported: counted, and written to a file of the task's owner.

use std::sync::Arc;

use bytes::Bytes;
use runtime::{Context, Failure};
use storage::{FileKey, OwnerFiles, StorageError, Upload};
use tokio::runtime::Handle;

use crate::{
    definition::{rejected::RejectedLimit, spec::ImportSpec},
    output::{RejectedRow, RejectedRows, TooManyRejected},
    read::source::storage_failure,
    write::sql::quoted,
};

/// The number of rows in the result.
const FIRST_ROWS: usize = 5;
/// Bytes that are written at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Writes rejected rows; used by a blocking thread. Dropped before `publish`, it leaves no file.
pub(crate) struct RejectedRowsWriter {
    /// The table that is loaded now, and its sheet where there are several.
    spec: Arc<ImportSpec>,
    sheet: Option<String>,
    files: OwnerFiles,
    key: FileKey,
    /// `None` if a person accepted any number.
    limit: Option<RejectedLimit>,
    max_bytes: u64,
    bytes: u64,
    runtime: Handle,
    /// Of the table of now, and of those before.
    rows: u64,
    before: u64,
    first: Vec<RejectedRow>,
    upload: Option<Upload>,
    buffer: Vec<u8>,
}

impl RejectedRowsWriter {
    /// Creates a writer; more than `max_bytes` end the import.
    pub(crate) fn new(context: &Context, spec: &Arc<ImportSpec>, max_bytes: u64) -> Self {
        let name = "rejected.csv".parse().expect("it is a file name");
        Self {
            spec: spec.clone(),
            sheet: None,
            files: context.files.clone(),
            // By the task's id, so that a second attempt writes the same file.
            key: FileKey::new(&context.task.to_string(), name).expect("a task id is an id"),
            limit: None,
            max_bytes,
            bytes: 0,
            runtime: Handle::current(),
            rows: 0,
            before: 0,
            first: Vec::new(),
            upload: None,
            buffer: Vec::new(),
        }
    }

    /// Begins with the rows of a table, of which so many may be rejected; of a sheet where there are several.
    pub(crate) fn begin_table(&mut self, spec: &Arc<ImportSpec>, sheet: Option<&str>, limit: Option<RejectedLimit>) {
        self.spec = spec.clone();
        self.sheet = sheet.map(str::to_owned);
        self.limit = limit;
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, line: u64, reason: String, raw: &[u8]) -> Result<(), Failure> {
        self.rows += 1;
        let sheet = self.sheet.as_ref().map(|sheet| format!("{},", quoted(sheet))).unwrap_or_default();
        if self.bytes == 0 {
            let sheet = if sheet.is_empty() { "" } else { "sheet," };
            self.buffer.extend_from_slice(format!("{sheet}line,reason,row\n").as_bytes());
        }
        let row = format!("{sheet}{line},{},{}\n", quoted(&reason), quoted(&String::from_utf8_lossy(raw)));
        self.buffer.extend_from_slice(row.as_bytes());
        self.bytes += row.len() as u64;
        if self.first.len() < FIRST_ROWS {
            self.first.push(RejectedRow { line, reason });
        }
        // Of all sheets together as well.
        if let Some(limit) = self.limit.filter(|limit| self.before + self.rows > limit.rows) {
            let sheets = if self.rows > limit.rows || self.sheet.is_none() { "" } else { " of all sheets" };
            return Err(self.refuse(format!("more than {} rows{sheets}", limit.rows), true));
        }
        if self.bytes > self.max_bytes {
            let limit = self.max_bytes >> 20;
            let count = format!("rows of more than {limit} MiB in all (imports.rejected_bytes)");
            return Err(self.refuse(count, false));
        }
        if self.buffer.len() >= CHUNK_BYTES {
            self.write().map_err(write_failure)?;
        }
        Ok(())
    }

    /// Ends with the rows of a table; too many rejected ones for the imported ones end the import.
    pub(crate) fn end_table(&mut self, imported: u64) -> Result<Option<RejectedRows>, Failure> {
        if self.rows == 0 {
            return Ok(None);
        }
        let all = self.rows + imported;
        let may_confirm = match self.limit {
            _ if imported == 0 => Some(false),
            Some(limit) if !limit.allows(self.rows, all) => Some(true),
            _ => None,
        };
        if let Some(may_confirm) = may_confirm {
            return Err(self.refuse(format!("{} of {all} rows", self.rows), may_confirm));
        }
        let rejected = self.rejected();
        self.before += std::mem::take(&mut self.rows);
        self.first.clear();
        Ok(Some(rejected))
    }

    /// Publishes the file of all rejected rows, if there are any.
    pub(crate) fn publish(&mut self) -> Result<(), Failure> {
        if self.bytes == 0 {
            return Ok(());
        }
        self.write().map_err(write_failure)?;
        if let Some(upload) = self.upload.take() {
            self.runtime.block_on(upload.finish()).map_err(write_failure)?;
        }
        Ok(())
    }

    fn rejected(&self) -> RejectedRows {
        RejectedRows { rows: self.rows, href: format!("/api/files/{}", self.key), first: self.first.clone() }
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

    /// Ends the import, its rejected rows so far kept for its owner.
    fn refuse(&mut self, count: String, may_confirm: bool) -> Failure {
        let rejected = RejectedRows { rows: self.before + self.rows, ..self.rejected() };
        let kept = match self.publish() {
            Ok(()) => Ok(&rejected.href),
            // That they are refused is true wherever they are kept.
            Err(Failure::Permanent { message, .. }) => Err(message),
            Err(failure) => return failure,
        };
        let again = Some(&self.spec.again).filter(|_| may_confirm);
        let sheet = self.sheet.as_deref();
        TooManyRejected { count, sheet, rejected: &rejected, kept, again }.refusal(self.spec.table.as_str())
    }
}

fn write_failure(error: StorageError) -> Failure {
    storage_failure(error, "the rejected rows could not be kept")
}
