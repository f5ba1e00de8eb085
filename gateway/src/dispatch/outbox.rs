//! What waits for one connection: bounded, and full means that the connection ends with a reason.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::dispatch::delivered::Delivered;

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

/// The dispatcher's side; dropped, the connection ends after what waits.
#[derive(Debug)]
pub struct OutboxSender(Arc<Shared>);

/// The connection's side.
#[derive(Debug)]
pub struct Outbox(Arc<Shared>);

/// A queue that costs nothing while it is empty, as most are most of the time.
#[derive(Debug)]
struct Shared {
    capacity: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    parcels: VecDeque<Parcel>,
    is_sender_gone: bool,
    is_reader_gone: bool,
    end: Option<End>,
    reader: Option<Waker>,
}

/// Places whose memory is kept; making them anew for each parcel costs more than a few connections' memory.
const KEPT: usize = 4;

/// An outbox of this many parcels.
pub fn outbox(capacity: usize) -> (OutboxSender, Outbox) {
    let shared = Arc::new(Shared { capacity, waiting: Mutex::default() });
    (OutboxSender(shared.clone()), Outbox(shared))
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Each change is whole in itself: a panic elsewhere has not harmed it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutboxSender {
    /// Puts a parcel in; `false` when the connection is gone or too slow, and then it must be dropped.
    #[must_use]
    pub fn put(&self, parcel: Parcel) -> bool {
        let mut waiting = self.0.waiting();
        if waiting.is_reader_gone {
            return false;
        }
        if waiting.parcels.len() >= self.0.capacity {
            waiting.end = Some(End::Slow);
            return false;
        }
        waiting.parcels.push_back(parcel);
        let reader = waiting.reader.take();
        drop(waiting);
        if let Some(reader) = reader {
            reader.wake();
        }
        true
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.0.waiting().is_reader_gone
    }
}

impl Drop for OutboxSender {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.is_sender_gone = true;
        let reader = waiting.reader.take();
        drop(waiting);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Outbox {
    /// The next parcel; `None` when the connection must end, [`Outbox::end`] says why.
    pub fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Parcel>> {
        let mut waiting = self.0.waiting();
        if let Some(parcel) = waiting.parcels.pop_front() {
            return Poll::Ready(Some(parcel));
        }
        // A burst's memory is not kept by thousands who are idle again.
        if waiting.parcels.capacity() > KEPT {
            waiting.parcels.shrink_to(KEPT);
        }
        if waiting.is_sender_gone {
            return Poll::Ready(None);
        }
        if !waiting.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            waiting.reader = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Why the dispatcher ended it, if it did.
    pub fn end(&self) -> Option<End> {
        self.0.waiting().end
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.is_reader_gone = true;
        let left = std::mem::take(&mut waiting.parcels);
        let reader = waiting.reader.take();
        drop(waiting);
        drop((left, reader));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARCEL: Parcel = Parcel::Gap(GapReason::Remade);

    fn take(outbox: &mut Outbox) -> Poll<Option<Parcel>> {
        outbox.poll_next(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_waits_comes_before_the_end_and_the_reason_is_known() {
        let (sender, mut outbox) = outbox(1);
        assert!(sender.put(PARCEL) && !sender.put(PARCEL));
        drop(sender);
        assert!(matches!(take(&mut outbox), Poll::Ready(Some(Parcel::Gap(_)))));
        assert!(matches!(take(&mut outbox), Poll::Ready(None)));
        assert_eq!(outbox.end(), Some(End::Slow));
    }

    #[test]
    fn nothing_is_put_for_somebody_who_is_gone() {
        let (sender, outbox) = outbox(8);
        assert!(sender.put(PARCEL) && !sender.is_closed());
        drop(outbox);
        assert!(!sender.put(PARCEL) && sender.is_closed());
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_the_next_parcel_and_by_the_end() {
        let (sender, mut outbox) = outbox(8);
        let waiting = tokio::spawn(async move {
            let first = std::future::poll_fn(|cx| outbox.poll_next(cx)).await.is_some();
            (first, std::future::poll_fn(|cx| outbox.poll_next(cx)).await.is_none())
        });
        tokio::task::yield_now().await;
        assert!(sender.put(PARCEL));
        drop(sender);
        assert_eq!(waiting.await.unwrap(), (true, true));
    }
}
