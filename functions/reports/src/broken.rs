//! Why reading, writing or uploading stopped before its end.

use std::io;

use runtime::{Failure, thread::ShutDown};

/// Of the three that hand a report on to each other, one breaks and the others are cut off.
#[derive(Debug)]
pub(crate) enum Broken {
    /// It failed itself.
    Failed(Failure),
    /// Its neighbour is gone, which knows why.
    Cut,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<ShutDown> for Broken {
    fn from(_: ShutDown) -> Self {
        Self::Cut
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // How the way to storage says that it is gone.
            io::ErrorKind::BrokenPipe => Self::Cut,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Failed(Failure::passing("The worker has no room left for what it makes reports of.", error))
            }
            _ => Self::Failed(Failure::passing("The report could not be written.", error)),
        }
    }
}

/// Tells the failure that the others were cut off by.
pub(crate) fn first(ends: [Result<(), Broken>; 3]) -> Result<(), Failure> {
    let mut cut = false;
    for end in ends {
        match end {
            Err(Broken::Failed(failure)) => return Err(failure),
            Err(Broken::Cut) => cut = true,
            Ok(()) => {}
        }
    }
    // Somebody was dropped without a word: the runtime ends.
    if cut { Err(Failure::Stopped) } else { Ok(()) }
}
