//! A file's bytes on their way to storage: written by a thread, uploaded beside it, a bounded number between.

use std::io::{self, Write};

use bytes::Bytes;
use runtime::Failure;
use storage::{StorageError, StoredFile, Upload};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::broken::Broken;

/// Bytes that are handed on at once.
const PIECE: usize = 256 * 1024;
/// Pieces that wait between the thread that writes and the storage.
const WAITING: usize = 4;

enum Step {
    Bytes(Bytes),
    /// The file is whole.
    End,
}

/// Where a file is written to. Dropped before [`Outlet::finish`], there will be no file.
pub(crate) struct Outlet {
    piece: Vec<u8>,
    steps: mpsc::Sender<Step>,
    stop: CancellationToken,
}

/// What comes out of an outlet.
pub(crate) struct Inlet(mpsc::Receiver<Step>);

/// A way to storage that ends when `stop` is cancelled.
pub(crate) fn way(stop: CancellationToken) -> (Outlet, Inlet) {
    let (steps, waiting) = mpsc::channel(WAITING);
    (Outlet { piece: Vec::with_capacity(PIECE), steps, stop }, Inlet(waiting))
}

impl Outlet {
    /// Says that the file is whole.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.steps.blocking_send(Step::End).map_err(|_| gone())
    }

    /// Fails as soon as nobody wants the file any more; for who computes long without writing.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.stop.is_cancelled() || self.steps.is_closed() { Err(gone()) } else { Ok(()) }
    }
}

fn gone() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.steps.blocking_send(Step::Bytes(piece.into())).map_err(|_| gone())
    }
}

/// Uploads what comes out, and makes the file visible once it is whole.
pub(crate) async fn upload(mut inlet: Inlet, mut upload: Upload) -> Result<StoredFile, Broken> {
    loop {
        match inlet.0.recv().await {
            Some(Step::Bytes(bytes)) => upload.write(bytes).await.map_err(failure)?,
            Some(Step::End) => return Ok(upload.finish().await.map_err(failure)?),
            // Dropped with the upload, nothing remains of it.
            None => return Err(Broken::Cut),
        }
    }
}

/// What storage's words mean for a run.
pub(crate) fn failure(error: StorageError) -> Failure {
    match error {
        StorageError::TooLarge(most) => too_large(most),
        StorageError::Full => Failure::passing("The storage for results is full.", error),
        error => Failure::passing("The storage for results cannot be used now.", error),
    }
}

/// Nothing is kept of a report that is larger.
pub(crate) fn too_large(most: u64) -> Failure {
    let message =
        format!("The report is larger than {most} bytes (reports.byte_limit); nothing was kept. Ask for less.");
    Failure::Permanent { reason: "bytes", message }
}
