//! A stored file's bytes, handed to the thread that reads them.

use bytes::Bytes;
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
pub(crate) struct Source {
    pieces: Pieces,
    total: u64,
    read: u64,
}

enum Pieces {
    Sample(Option<Bytes>),
    File { pieces: mpsc::Receiver<Result<Bytes, StorageError>>, progress: watch::Sender<f64>, stop: CancellationToken },
}

impl Source {
    /// Bytes that are here already.
    pub(crate) fn sample(bytes: Bytes) -> Self {
        Self { total: bytes.len() as u64, pieces: Pieces::Sample(Some(bytes)), read: 0 }
    }

    /// A file's bytes, with the work that brings them: to be awaited beside the thread that reads.
    pub(crate) fn file(download: Download, context: &Context) -> (Self, impl Future<Output = ()> + use<>) {
        let (sender, pieces) = mpsc::channel(WAITING);
        let (progress, stop) = (context.progress_handle(), context.stop.clone());
        let source = Self { total: download.bytes, pieces: Pieces::File { pieces, progress, stop }, read: 0 };
        (source, bring(download.content, sender))
    }

    /// The next bytes; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let piece = match &mut self.pieces {
            Pieces::Sample(bytes) => bytes.take(),
            Pieces::File { stop, .. } if stop.is_cancelled() => return Err(Failure::Stopped),
            Pieces::File { pieces, progress, .. } => match pieces.blocking_recv() {
                Some(Ok(piece)) => {
                    say_progress(progress, (self.read + piece.len() as u64) as f64 / self.total.max(1) as f64);
                    Some(piece)
                }
                Some(Err(error)) => return Err(failure(error, "the file could not be read")),
                None if self.read < self.total => return Err(Failure::Stopped),
                None => None,
            },
        };
        self.read += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Ok(piece)
    }
}

/// Never back: a load that begins again is as far as it was.
fn say_progress(progress: &watch::Sender<f64>, part: f64) {
    // The rest is the commit.
    let part = part * 0.99;
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
