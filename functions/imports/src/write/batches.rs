//! Rows into PostgreSQL where it refused one: batch by batch, so that those that it refuses are found and the others stay.
//!
//! A batch that is refused is tried again in parts, down to the single rows that are at fault. Where the server tells the
//! row, three parts are enough; where it does not, as of a foreign key, halves of halves.

use std::ops::Range;

use runtime::Failure;
use sqlx::PgConnection;
use tokio::sync::{mpsc, oneshot};

use crate::{
    column::Value,
    read::row::Row,
    write::{
        copy::write_field,
        load::RowSink,
        postgres_catalog::run,
        refused::{self, Refusal, RefusedRow},
    },
};

/// Rows and bytes of a batch.
const BATCH_ROWS: usize = 1000;
const BATCH_BYTES: usize = 1 << 20;

/// Rows that are tried together.
#[derive(Default)]
pub(crate) struct Batch {
    /// In the text format of COPY.
    content: Vec<u8>,
    rows: Vec<BatchRow>,
    /// Bytes of the rows' texts in the file.
    raw_bytes: usize,
}

struct BatchRow {
    line: u64,
    raw: Vec<u8>,
    bytes: u64,
    /// The end of its content.
    end: usize,
}

/// A batch, and where to tell what of it was refused.
pub(crate) type Tried = (Batch, oneshot::Sender<Vec<RefusedRow>>);

/// Passes batches to the connection, and waits for its answer to each; used by a blocking thread.
pub(crate) struct BatchSink {
    batches: mpsc::Sender<Tried>,
    batch: Batch,
    row_start: usize,
    refused: Vec<RefusedRow>,
}

impl BatchSink {
    pub(crate) fn new(batches: mpsc::Sender<Tried>) -> Self {
        Self { batches, batch: Batch::default(), row_start: 0, refused: Vec::new() }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        self.row_start = 0;
        let (answer, answered) = oneshot::channel();
        // Both are closed once the connection has failed, which is reported there.
        self.batches.blocking_send((batch, answer)).map_err(|_| Failure::Stopped)?;
        self.refused.extend(answered.blocking_recv().map_err(|_| Failure::Stopped)?);
        Ok(())
    }
}

impl RowSink for BatchSink {
    fn put(&mut self, column: usize, text: &[u8], value: Value) -> Result<(), Failure> {
        write_field(column, text, value, &mut self.batch.content);
        Ok(())
    }

    fn end_row(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        let batch = &mut self.batch;
        batch.content.push(b'\n');
        self.row_start = batch.content.len();
        let (line, raw, bytes) = (row.line, row.raw.to_vec(), row.bytes());
        batch.raw_bytes += raw.len();
        batch.rows.push(BatchRow { line, raw, bytes, end: self.row_start });
        match batch.rows.len() >= BATCH_ROWS || batch.content.len() + batch.raw_bytes >= BATCH_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn discard_row(&mut self) {
        self.batch.content.truncate(self.row_start);
    }

    fn finish(&mut self) -> Result<(), Failure> {
        if self.batch.rows.is_empty() { Ok(()) } else { self.flush() }
    }

    fn take_refused(&mut self) -> Vec<RefusedRow> {
        std::mem::take(&mut self.refused)
    }
}

/// Writes batches by a statement of COPY, and, for an upsert, one that merges what it wrote and one that empties it.
pub(crate) struct BatchWriter {
    pub(crate) copy: String,
    pub(crate) merge: Option<(String, String)>,
}

impl BatchWriter {
    /// Writes the rows that the database takes, in their order; the others are returned.
    pub(crate) async fn write(&self, connection: &mut PgConnection, batch: Batch) -> sqlx::Result<Vec<RefusedRow>> {
        let mut reasons: Vec<Option<String>> = vec![None; batch.rows.len()];
        // The last part is the next one.
        let whole = 0..batch.rows.len();
        let mut parts = vec![whole];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let Some(Refusal { reason, row }) = self.try_part(connection, &batch, part.clone()).await? else {
                continue;
            };
            if part.len() == 1 {
                reasons[part.start] = Some(reason);
                continue;
            }
            match row.map(|row| part.start + row.saturating_sub(1)).filter(|row| part.contains(row)) {
                Some(row) => parts.extend([row + 1..part.end, row..row + 1, part.start..row]),
                None => {
                    let middle = part.start + part.len() / 2;
                    parts.extend([middle..part.end, part.start..middle]);
                }
            }
        }
        let refused = batch.rows.into_iter().zip(reasons).filter_map(|(row, reason)| {
            let BatchRow { line, raw, bytes, .. } = row;
            Some(RefusedRow { line, reason: reason?, raw, bytes })
        });
        Ok(refused.collect())
    }

    /// Writes a part, or leaves everything as it was and tells why.
    async fn try_part(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        part: Range<usize>,
    ) -> sqlx::Result<Option<Refusal>> {
        run(connection, "SAVEPOINT part".to_owned()).await?;
        let from = if part.start == 0 { 0 } else { batch.rows[part.start - 1].end };
        let content = &batch.content[from..batch.rows[part.end - 1].end];
        match self.write_content(connection, content).await {
            Ok(()) => Ok(None),
            Err(error) => {
                let refusal = refused::by_postgres(&error).ok_or(error)?;
                run(connection, "ROLLBACK TO part; RELEASE part".to_owned()).await?;
                Ok(Some(refusal))
            }
        }
    }

    async fn write_content(&self, connection: &mut PgConnection, content: &[u8]) -> sqlx::Result<()> {
        let mut copy = connection.copy_in_raw(&self.copy).await?;
        copy.send(content).await?;
        copy.finish().await?;
        // In one message: there may be very many parts.
        let merge = self.merge.as_ref().map(|(merge, empty)| format!("{merge}; {empty}; ")).unwrap_or_default();
        run(connection, format!("{merge}RELEASE part")).await
    }
}
