//! What waits for one connection: bounded, and full means that the connection ends with a reason.

use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;

use crate::delivered::Delivered;

/// Why what follows is not joined to what the client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// Its cursor is older than the window, or of a log that was made again.
    Lost,
    /// While it was connected, retention removed what this pod had not read.
    Retention,
    /// While it was connected, the log was deleted and made again.
    Remade,
}

impl GapReason {
    /// The word that clients see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Retention => "retention",
            Self::Remade => "remade",
        }
    }
}

/// Why a connection ends; the same word in logs, metrics and to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It read more slowly than events came.
    Slow,
    /// Its token has expired.
    Expired,
    /// This pod stops; come back, to any pod.
    Draining,
}

impl End {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Expired => "expired",
            Self::Draining => "draining",
        }
    }
}

/// One thing for a connection.
#[derive(Debug, Clone)]
pub enum Parcel {
    /// All after the client's cursor, joined without a hole to what comes next; once, before any event.
    Replay {
        /// Set when the cursor was lost: then it is all that is known.
        gap: Option<GapReason>,
        /// In order.
        events: Vec<Arc<Delivered>>,
    },
    /// The next event.
    Event(Arc<Delivered>),
    /// A break while connected.
    Gap(GapReason),
}

/// The dispatcher's side.
#[derive(Debug)]
pub struct OutboxSender {
    parcels: mpsc::Sender<Parcel>,
    end: Arc<OnceLock<End>>,
}

/// The connection's side.
#[derive(Debug)]
pub struct Outbox {
    parcels: mpsc::Receiver<Parcel>,
    end: Arc<OnceLock<End>>,
}

/// An outbox of this many parcels.
pub fn outbox(capacity: usize) -> (OutboxSender, Outbox) {
    let (sender, parcels) = mpsc::channel(capacity);
    let end = Arc::new(OnceLock::new());
    (OutboxSender { parcels: sender, end: end.clone() }, Outbox { parcels, end })
}

impl OutboxSender {
    /// Puts a parcel in; `false` when the connection is gone or too slow, and then it must be dropped.
    #[must_use]
    pub fn put(&self, parcel: Parcel) -> bool {
        match self.parcels.try_send(parcel) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.end.set(End::Slow).ok();
                false
            }
        }
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.parcels.is_closed()
    }
}

impl Outbox {
    /// The next parcel; `None` when the connection must end, [`Outbox::end`] says why.
    pub async fn next(&mut self) -> Option<Parcel> {
        self.parcels.recv().await
    }

    /// The next parcel if one waits.
    pub fn take(&mut self) -> Option<Parcel> {
        self.parcels.try_recv().ok()
    }

    /// Why the dispatcher ended it, if it did.
    pub fn end(&self) -> Option<End> {
        self.end.get().copied()
    }
}
