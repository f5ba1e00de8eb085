//! A stored file's bytes, handed to the thread that reads them.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::BoxStream};
use runtime::{Context, Failure};
use storage::{Download, FileKey, StorageError};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Pieces that wait between storage and the reading thread.
const WAITING: usize = 4;

/// Opens a file of the task's owner.
pub(crate) async fn open(context: &Context, file: &FileKey) -> Result<Download, Failure> {
    context.files.get(file).await.map_err(|error| failure(error, "the file could not be read"))
}

/// What storage's words mean for a run.
pub(crate) fn failure(error: StorageError, doing: &str) -> Failure {
    match error {
        StorageError::NotFound(key) => Failure::input(format!("there is no file {key} of yours")),
        StorageError::Full => Failure::Permanent { reason: "full", message: format!("{doing}: the storage is full") },
        error => Failure::passing(doing, error),
    }
}

/// Bytes in order, for a blocking thread.
pub(crate) trait Pieces: Send {
    /// The next bytes; `None` at the end.
    fn next(&mut self) -> Result<Option<Bytes>, Failure>;
}

/// Bytes that are here already.
pub(crate) struct Sample(Option<Bytes>);

impl Sample {
    pub(crate) fn boxed(bytes: Bytes) -> Box<dyn Pieces> {
        Box::new(Self(Some(bytes)))
    }
}

impl Pieces for Sample {
    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        Ok(self.0.take())
    }
}

/// The bytes of a stored file.
pub(crate) struct Source {
    pieces: mpsc::Receiver<Result<Bytes, StorageError>>,
    /// Who hears how far it is.
    progress: Option<watch::Sender<f64>>,
    stop: CancellationToken,
    total: u64,
    read: u64,
}

impl Source {
    /// A file's bytes, with the work that brings them: to be awaited beside the thread that reads.
    pub(crate) fn file(download: Download, context: &Context) -> (Self, impl Future<Output = ()> + use<>) {
        let (mut source, bringing) = Self::looked_at(download, context);
        source.progress = Some(context.progress_handle());
        (source, bringing)
    }

    /// The same, without a word of progress.
    pub(crate) fn looked_at(download: Download, context: &Context) -> (Self, impl Future<Output = ()> + use<>) {
        let (sender, pieces) = mpsc::channel(WAITING);
        let (stop, total) = (context.stop.clone(), download.bytes);
        (Self { pieces, progress: None, stop, total, read: 0 }, bring(download.content, sender))
    }
}

impl Pieces for Source {
    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.stop.is_cancelled() {
            return Err(Failure::Stopped);
        }
        match self.pieces.blocking_recv() {
            Some(Ok(piece)) => {
                self.read += piece.len() as u64;
                if let Some(progress) = &self.progress {
                    say_progress(progress, self.read as f64 / self.total.max(1) as f64);
                }
                Ok(Some(piece))
            }
            Some(Err(error)) => Err(failure(error, "the file could not be read")),
            None if self.read < self.total => Err(Failure::Stopped),
            None => Ok(None),
        }
    }
}

/// Never back: a load that begins again is as far as it was.
pub(crate) fn say_progress(progress: &watch::Sender<f64>, part: f64) {
    // The rest is the commit.
    let part = part.min(1.0) * 0.99;
    progress.send_if_modified(|told| {
        let further = part > *told;
        *told = told.max(part);
        further
    });
}

async fn bring(
    mut content: BoxStream<'static, Result<Bytes, StorageError>>,
    pieces: mpsc::Sender<Result<Bytes, StorageError>>,
) {
    while let Some(piece) = content.next().await {
        // The reader may have seen enough.
        if pieces.send(piece).await.is_err() {
            return;
        }
    }
}

/// Bytes whose beginning is known.
pub(crate) struct Start {
    head: Bytes,
    taken: bool,
    rest: Box<dyn Pieces>,
}

impl Start {
    /// How many bytes are looked at, where there are so many.
    const LENGTH: usize = 4096;

    pub(crate) fn of(mut rest: Box<dyn Pieces>) -> Result<Self, Failure> {
        let mut head = BytesMut::new();
        while head.len() < Self::LENGTH
            && let Some(piece) = rest.next()?
        {
            head.extend_from_slice(&piece);
        }
        Ok(Self { head: head.freeze(), taken: false, rest })
    }

    /// The beginning; empty if there is nothing.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }
}

impl Pieces for Start {
    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if !self.taken && !self.head.is_empty() {
            self.taken = true;
            return Ok(Some(std::mem::take(&mut self.head)));
        }
        self.rest.next()
    }
}
