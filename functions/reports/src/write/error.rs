//! Errors of writing a file.

use std::io;

use runtime::Failure;

/// An error of writing a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The rows do not fit the limits or the format.
    #[error(transparent)]
    Refused(#[from] Failure),
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Refused(failure) => failure,
            WriteError::Io(error) => match error.kind() {
                // The upload has ended, and its own failure says why.
                io::ErrorKind::BrokenPipe => Self::Stopped,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Self::passing("The worker has no room left for what it makes reports of.", error)
                }
                _ => Self::passing("The report could not be written.", error),
            },
        }
    }
}
