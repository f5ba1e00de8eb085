//! Uploads a file while a blocking thread writes it, with a bounded number of bytes between the two.

use std::io::{self, Write};

use bytes::Bytes;
use runtime::Failure;
use storage::{StorageError, StoredFile, Upload};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks that wait between the thread that writes and the storage.
const WAITING_CHUNKS: usize = 4;

enum Message {
    Chunk(Bytes),
    /// The file is complete.
    End,
}

/// The writing end. Dropped before [`UploadWriter::finish`], it leaves no file.
pub(crate) struct UploadWriter {
    chunk: Vec<u8>,
    messages: mpsc::Sender<Message>,
    stop: CancellationToken,
}

/// The end that the storage reads.
pub(crate) struct UploadReader(mpsc::Receiver<Message>);

/// A pipe whose writes fail once `stop` is cancelled.
pub(crate) fn pipe(stop: CancellationToken) -> (UploadWriter, UploadReader) {
    let (messages, receiver) = mpsc::channel(WAITING_CHUNKS);
    (UploadWriter { chunk: Vec::with_capacity(CHUNK_BYTES), messages, stop }, UploadReader(receiver))
}

impl UploadWriter {
    /// Completes the file.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.messages.blocking_send(Message::End).map_err(|_| closed())
    }

    /// Fails once the file is no longer wanted; for a writer that computes long without writing.
    pub(crate) fn check_open(&self) -> io::Result<()> {
        if self.stop.is_cancelled() || self.messages.is_closed() { Err(closed()) } else { Ok(()) }
    }
}

fn closed() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

impl Write for UploadWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.check_open()?;
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        self.messages.blocking_send(Message::Chunk(chunk.into())).map_err(|_| closed())
    }
}

/// Uploads what is written and makes the file visible once it is complete.
pub(crate) async fn upload(mut reader: UploadReader, mut upload: Upload) -> Result<StoredFile, Failure> {
    loop {
        match reader.0.recv().await {
            Some(Message::Chunk(bytes)) => upload.write(bytes).await.map_err(failure)?,
            Some(Message::End) => return upload.finish().await.map_err(failure),
            // The dropped upload leaves nothing behind.
            None => return Err(Failure::Stopped),
        }
    }
}

/// An error of the storage as the failure of a task.
pub(crate) fn failure(error: StorageError) -> Failure {
    match error {
        StorageError::TooLarge(limit) => too_large(limit),
        StorageError::QuotaFull(why) => {
            Failure::Permanent { reason: "quota", message: format!("The report's file cannot be kept: {why}") }
        }
        StorageError::Full => Failure::passing("The storage for results is full.", error),
        error => Failure::passing("The storage for results cannot be used now.", error),
    }
}

pub(crate) fn too_large(limit: u64) -> Failure {
    let message =
        format!("The report is larger than {limit} bytes (reports.byte_limit); nothing was kept. Ask for less.");
    Failure::Permanent { reason: "bytes", message }
}
