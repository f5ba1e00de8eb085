//! The bounded queue of events for one connection. When it is full the connection ends, with a reason.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use super::outgoing_event::{LiveEvent, OutgoingEvent};
use crate::lock::lock;

/// Why events are missing between what the client has and what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The client's cursor is older than the window, or belongs to a log that was deleted.
    Lost,
    /// While it was connected, retention removed what this pod had not read.
    Retention,
    /// While it was connected, the log was deleted and created again.
    Remade,
}

impl GapReason {
    /// The text that clients get.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Retention => "retention",
            Self::Remade => "remade",
        }
    }
}

/// Why a connection ends; the same text in logs, in metrics and for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// It read more slowly than events came.
    Slow,
    /// Its token has expired.
    Expired,
    /// This pod stops; the client may reconnect to any pod.
    Draining,
}

impl EndReason {
    /// The text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Expired => "expired",
            Self::Draining => "draining",
        }
    }
}

/// One item for a connection.
#[derive(Debug, Clone)]
pub enum OutboxItem {
    /// Everything after the client's cursor up to the next event; sent once, before any event.
    Replay {
        /// Set when the cursor was not found; then this is the whole window.
        gap: Option<GapReason>,
        /// In log order.
        events: Vec<Arc<OutgoingEvent>>,
    },
    /// The next event.
    Event(Arc<LiveEvent>),
    /// Events were lost while connected.
    Gap(GapReason),
}

/// Writes to sockets what the dispatcher has put into outboxes.
pub trait FlushOutboxes: Send + Sync {
    /// Writes for each connection whose outbox got something since the last call.
    fn flush(&self) -> impl Future<Output = ()> + Send;

    /// Lets go of all for which it would have written: nobody asks it to any more.
    fn abandon(&self);
}

/// The dispatcher's side. When it is dropped the connection ends after what is queued.
#[derive(Debug)]
pub struct OutboxSender(Arc<Shared>);

/// The connection's side.
#[derive(Debug)]
pub struct Outbox(Arc<Shared>);

/// An own queue and no channel: empty, as most are most of the time, it allocates nothing.
#[derive(Debug)]
struct Shared {
    capacity: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<OutboxItem>,
    is_sender_gone: bool,
    is_receiver_gone: bool,
    end: Option<EndReason>,
    receiver: Option<Waker>,
}

/// Items whose memory is kept: allocating it anew for each item costs more than keeping it.
const KEPT_CAPACITY: usize = 4;

/// An outbox for at most this many items.
pub fn outbox(capacity: usize) -> (OutboxSender, Outbox) {
    let shared = Arc::new(Shared { capacity, queue: Mutex::default() });
    (OutboxSender(shared.clone()), Outbox(shared))
}

fn wake(mut queue: MutexGuard<'_, Queue>) {
    let receiver = queue.receiver.take();
    drop(queue);
    receiver.into_iter().for_each(Waker::wake);
}

impl OutboxSender {
    /// Appends an item; `false` when the connection is gone or too slow, and then this sender must be dropped.
    #[must_use]
    pub fn push(&self, item: OutboxItem) -> bool {
        let mut queue = lock(&self.0.queue);
        if queue.is_receiver_gone {
            return false;
        }
        if queue.items.len() >= self.0.capacity {
            queue.end = Some(EndReason::Slow);
            return false;
        }
        queue.items.push_back(item);
        // The waker is the connection's `ConnectionWriter`, which puts itself on the environment's `WriteQueue`.
        wake(queue);
        true
    }
}

impl Drop for OutboxSender {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        queue.is_sender_gone = true;
        wake(queue);
    }
}

impl Outbox {
    /// The next item; `None` when the connection must end, for the reason in [`Outbox::end`].
    pub fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<OutboxItem>> {
        let mut queue = lock(&self.0.queue);
        if let Some(item) = queue.items.pop_front() {
            return Poll::Ready(Some(item));
        }
        // A burst's memory is not kept by thousands who are idle again.
        if queue.items.capacity() > KEPT_CAPACITY {
            queue.items.shrink_to(KEPT_CAPACITY);
        }
        if queue.is_sender_gone {
            return Poll::Ready(None);
        }
        if !queue.receiver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            queue.receiver = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Why the dispatcher ended it, if it did.
    pub fn end(&self) -> Option<EndReason> {
        lock(&self.0.queue).end
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        queue.is_receiver_gone = true;
        let unread = std::mem::take(&mut queue.items);
        let receiver = queue.receiver.take();
        drop(queue);
        drop((unread, receiver));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: OutboxItem = OutboxItem::Gap(GapReason::Remade);

    fn take(outbox: &mut Outbox) -> Poll<Option<OutboxItem>> {
        outbox.poll_next(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_waits_comes_before_the_end_and_the_reason_is_known() {
        let (sender, mut outbox) = outbox(1);
        assert!(sender.push(ITEM) && !sender.push(ITEM));
        drop(sender);
        assert!(matches!(take(&mut outbox), Poll::Ready(Some(OutboxItem::Gap(_)))));
        assert!(matches!(take(&mut outbox), Poll::Ready(None)));
        assert_eq!(outbox.end(), Some(EndReason::Slow));
    }

    #[test]
    fn nothing_is_put_for_somebody_who_is_gone() {
        let (sender, outbox) = outbox(8);
        assert!(sender.push(ITEM));
        drop(outbox);
        assert!(!sender.push(ITEM));
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_the_next_item_and_by_the_end() {
        let (sender, mut outbox) = outbox(8);
        let reading = tokio::spawn(async move {
            let first = std::future::poll_fn(|cx| outbox.poll_next(cx)).await.is_some();
            (first, std::future::poll_fn(|cx| outbox.poll_next(cx)).await.is_none())
        });
        tokio::task::yield_now().await;
        assert!(sender.push(ITEM));
        drop(sender);
        assert_eq!(reading.await.unwrap(), (true, true));
    }
}
