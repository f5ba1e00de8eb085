//! The bytes of a stored file, passed to the blocking thread that reads them.

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use runtime::{Context, Failure};
use storage::{Download, FileKey, StorageError};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Chunks buffered between storage and the reading thread.
const CHANNEL_CHUNKS: usize = 4;

const NOT_READ: &str = "the file could not be read";

/// An error of the storage as a failure of the task.
pub(crate) fn storage_failure(error: StorageError, doing: &str) -> Failure {
    match error {
        StorageError::NotFound(key) => Failure::input(format!("there is no file {key} of yours")),
        StorageError::Full => Failure::Permanent { reason: "full", message: format!("{doing}: the storage is full") },
        StorageError::QuotaFull(why) => Failure::Permanent { reason: "quota", message: format!("{doing}: {why}") },
        error => Failure::passing(doing, error),
    }
}

/// A sequence of bytes, for a blocking thread.
pub(crate) trait Chunks: Send {
    /// The next chunk; `None` at the end.
    fn next(&mut self) -> Result<Option<Bytes>, Failure>;
}

/// Bytes in memory, as one chunk.
impl Chunks for Option<Bytes> {
    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        Ok(self.take())
    }
}

/// The bytes of a stored file.
pub(crate) struct FileSource {
    chunks: mpsc::Receiver<Result<Bytes, StorageError>>,
    progress: Option<Progress>,
    stop: CancellationToken,
    /// Its size.
    pub(crate) bytes: u64,
    read: u64,
}

impl FileSource {
    /// Opens a file of the task's owner; the transfer that fetches its chunks is awaited while the thread reads.
    pub(crate) async fn open(
        context: &Context,
        file: &FileKey,
        progress: Option<Progress>,
    ) -> Result<(Self, BoxFuture<'static, ()>), Failure> {
        let opened = context.files.get(file).await.map_err(|error| storage_failure(error, NOT_READ))?;
        let Download { bytes, mut content } = opened;
        let (sender, chunks) = mpsc::channel(CHANNEL_CHUNKS);
        let transfer = async move {
            // The reader may need no more.
            while let Some(chunk) = content.next().await
                && sender.send(chunk).await.is_ok()
            {}
        };
        Ok((Self { chunks, progress, stop: context.stop.clone(), bytes, read: 0 }, transfer.boxed()))
    }
}

impl Chunks for FileSource {
    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.stop.is_cancelled() {
            return Err(Failure::Stopped);
        }
        match self.chunks.blocking_recv() {
            Some(Ok(chunk)) => {
                self.read += chunk.len() as u64;
                if let Some(progress) = &self.progress {
                    progress.report(self.read as f64 / self.bytes.max(1) as f64);
                }
                Ok(Some(chunk))
            }
            Some(Err(error)) => Err(storage_failure(error, NOT_READ)),
            None if self.read < self.bytes => Err(Failure::Stopped),
            None => Ok(None),
        }
    }
}

/// The progress of a task that a reading makes.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    task: watch::Sender<f64>,
    /// Which of how many readings it is, from 0.
    at: usize,
    of: usize,
}

impl Progress {
    /// One reading of several.
    pub(crate) fn new(task: watch::Sender<f64>, at: usize, of: usize) -> Self {
        Self { task, at, of }
    }

    /// Reports how much of the reading is done, never backwards: a load that starts again stays where it was.
    pub(crate) fn report(&self, part: f64) {
        // The last hundredth is the commit.
        let part = (self.at as f64 + part.min(1.0)) / self.of as f64 * 0.99;
        self.task.send_if_modified(|reported| {
            let further = part > *reported;
            *reported = reported.max(part);
            further
        });
    }
}

/// Chunks whose beginning can be looked at first.
pub(crate) struct Peeked {
    /// The beginning, until it was passed on.
    head: Bytes,
    rest: Box<dyn Chunks>,
}

impl Peeked {
    /// Bytes of the beginning.
    const HEAD_BYTES: usize = 4096;

    pub(crate) fn new(mut rest: Box<dyn Chunks>) -> Result<Self, Failure> {
        let mut head = BytesMut::new();
        while head.len() < Self::HEAD_BYTES
            && let Some(chunk) = rest.next()?
        {
            head.extend_from_slice(&chunk);
        }
        Ok(Self { head: head.freeze(), rest })
    }

    /// The beginning; empty if the file is.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }
}

impl Chunks for Peeked {
    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self.head.is_empty() {
            true => self.rest.next(),
            false => Ok(Some(std::mem::take(&mut self.head))),
        }
    }
}
