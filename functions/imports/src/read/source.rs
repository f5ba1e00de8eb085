//! The bytes of a stored file, passed to the blocking thread that reads them.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::BoxStream};
use runtime::{Context, Failure};
use storage::{Download, FileKey, StorageError};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Chunks buffered between storage and the reading thread.
const CHANNEL_CHUNKS: usize = 4;

/// Opens a file of the task's owner.
pub(crate) async fn open(context: &Context, file: &FileKey) -> Result<Download, Failure> {
    context.files.get(file).await.map_err(|error| storage_failure(error, "the file could not be read"))
}

/// An error of the storage as a failure of the task.
pub(crate) fn storage_failure(error: StorageError, doing: &str) -> Failure {
    match error {
        StorageError::NotFound(key) => Failure::input(format!("there is no file {key} of yours")),
        StorageError::Full => Failure::Permanent { reason: "full", message: format!("{doing}: the storage is full") },
        error => Failure::passing(doing, error),
    }
}

/// A sequence of bytes, for a blocking thread.
pub(crate) trait Chunks: Send {
    /// The next chunk; `None` at the end.
    fn next(&mut self) -> Result<Option<Bytes>, Failure>;
}

/// Bytes in memory, as one chunk.
pub(crate) struct InMemory(Option<Bytes>);

impl InMemory {
    pub(crate) fn boxed(bytes: Bytes) -> Box<dyn Chunks> {
        Box::new(Self(Some(bytes)))
    }
}

impl Chunks for InMemory {
    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        Ok(self.0.take())
    }
}

/// The bytes of a stored file.
pub(crate) struct FileSource {
    chunks: mpsc::Receiver<Result<Bytes, StorageError>>,
    progress: Option<watch::Sender<f64>>,
    stop: CancellationToken,
    total: u64,
    read: u64,
}

impl FileSource {
    /// A file's chunks, and the transfer that fetches them, to be awaited while the thread reads.
    pub(crate) fn new(
        download: Download,
        stop: CancellationToken,
        progress: Option<watch::Sender<f64>>,
    ) -> (Self, impl Future<Output = ()> + use<>) {
        let (sender, chunks) = mpsc::channel(CHANNEL_CHUNKS);
        (Self { chunks, progress, stop, total: download.bytes, read: 0 }, send_chunks(download.content, sender))
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
                    report_progress(progress, self.read as f64 / self.total.max(1) as f64);
                }
                Ok(Some(chunk))
            }
            Some(Err(error)) => Err(storage_failure(error, "the file could not be read")),
            None if self.read < self.total => Err(Failure::Stopped),
            None => Ok(None),
        }
    }
}

/// Reports progress, never backwards: a load that starts again stays where it was.
pub(crate) fn report_progress(progress: &watch::Sender<f64>, part: f64) {
    // The last hundredth is the commit.
    let part = part.min(1.0) * 0.99;
    progress.send_if_modified(|reported| {
        let further = part > *reported;
        *reported = reported.max(part);
        further
    });
}

async fn send_chunks(
    mut content: BoxStream<'static, Result<Bytes, StorageError>>,
    chunks: mpsc::Sender<Result<Bytes, StorageError>>,
) {
    while let Some(chunk) = content.next().await {
        // The reader may need no more.
        if chunks.send(chunk).await.is_err() {
            return;
        }
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
