//! The writers of an environment that have something to write.
//!
//! The dispatcher fills outboxes and then writes to one socket after another, in its own task and on its own core:
//! waking a task for each connection, or handing the queue to another core, costs up to half a write again (measured).

use std::sync::{Arc, Mutex};

use tokio::task::yield_now;

use crate::{dispatch::outbox::FlushOutboxes, lock::lock};

/// Sockets that are written to before other tasks may run: a few milliseconds, since a task that is moved to another core
/// in the middle goes on with a cold cache (1.6 of a bare write became 1.5).
const WRITES_PER_TURN: usize = 2048;
/// Slots whose memory is kept; that of a broadcast to all is not.
const KEPT_CAPACITY: usize = 1024;

/// A writer on the queue.
pub(crate) trait QueuedWriter: Send + Sync {
    /// Leaves the queue and writes what waits; what comes from now on queues it again.
    fn write_pending(self: Arc<Self>);
}

/// Writers with something to write, each at most once; cheap to clone.
#[derive(Clone, Default)]
pub struct WriteQueue(Arc<Mutex<Vec<Arc<dyn QueuedWriter>>>>);

impl WriteQueue {
    /// Appends a writer.
    pub(crate) fn push(&self, writer: Arc<dyn QueuedWriter>) {
        lock(&self.0).push(writer);
    }
}

impl FlushOutboxes for WriteQueue {
    async fn flush(&self) {
        let mut writers = std::mem::take(&mut *lock(&self.0));
        for (at, writer) in writers.drain(..).enumerate() {
            writer.write_pending();
            if at % WRITES_PER_TURN == WRITES_PER_TURN - 1 {
                yield_now().await;
            }
        }
        let mut queue = lock(&self.0);
        if queue.is_empty() && queue.capacity() < writers.capacity() {
            writers.shrink_to(KEPT_CAPACITY);
            *queue = writers;
        }
    }

    /// A writer keeps this queue, so that a queue that kept a writer would keep its socket open for ever.
    fn abandon(&self) {
        // Dropped once the lock is free: what goes with them may come here.
        let writers = std::mem::take(&mut *lock(&self.0));
        drop(writers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Writer {
        _queue: WriteQueue,
    }

    impl QueuedWriter for Writer {
        fn write_pending(self: Arc<Self>) {}
    }

    #[test]
    fn a_writer_that_waits_when_the_dispatcher_ends_is_let_go() {
        let queue = WriteQueue::default();
        let writer = Arc::new(Writer { _queue: queue.clone() });
        let kept = Arc::downgrade(&writer);
        queue.push(writer);
        assert!(kept.upgrade().is_some());
        queue.abandon();
        assert!(kept.upgrade().is_none());
    }
}
