//! The commands of a dispatcher, and the subscription with which it answers a connection.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use model::Cursor;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::{
    outbox::Outbox,
    questions::Questions,
    registry::{ConnectionId, Recipient},
    task_list::TaskList,
};
use crate::lock::lock;

/// Asks something of the tasks and questions.
type Query = Box<dyn FnOnce(&mut TaskList, &mut Questions) + Send>;

/// A request to a dispatcher.
pub(crate) enum Command {
    Subscribe {
        recipient: Arc<Recipient>,
        after: Option<Cursor>,
        reply: oneshot::Sender<Result<Subscription, SubscribeError>>,
    },
    Query(Query),
    /// Answered once everything is dispatched that was in the log when this was asked.
    CatchUp {
        reply: oneshot::Sender<()>,
    },
}

/// A connection's part of the log; dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    /// The client's cursor: everything after it follows.
    pub start: Cursor,
    /// The events, first of all an [`OutboxItem::Replay`](super::outbox::OutboxItem::Replay).
    pub outbox: Outbox,
    /// Everything up to this cursor was put into the outbox. Read it before emptying the outbox.
    pub dispatched: watch::Receiver<Option<Cursor>>,
    pub(crate) _guard: Unsubscribe,
}

/// Unsubscribes when dropped.
#[derive(Debug)]
pub(crate) struct Unsubscribe {
    pub(crate) id: ConnectionId,
    pub(crate) departures: Arc<Departures>,
    /// The dispatcher lives as long as its subscriptions.
    pub(crate) _commands: mpsc::Sender<Command>,
}

/// Connections that have left and that the dispatcher still knows: each once, and so never more than there are.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    ids: Mutex<Vec<ConnectionId>>,
    news: Notify,
}

impl Departures {
    fn add(&self, id: ConnectionId) {
        lock(&self.ids).push(id);
        self.news.notify_one();
    }

    /// Returns once there are some.
    pub(crate) async fn wait(&self) {
        self.news.notified().await;
    }

    /// Takes at most `max` of them; the rest comes with the next wait.
    pub(crate) fn take(&self, max: usize) -> Vec<ConnectionId> {
        let mut ids = lock(&self.ids);
        let rest = ids.len().saturating_sub(max);
        let taken = ids.split_off(rest);
        match rest {
            0 => ids.shrink_to(max),
            _ => self.news.notify_one(),
        }
        taken
    }
}

impl Drop for Unsubscribe {
    fn drop(&mut self) {
        self.departures.add(self.id);
    }
}

/// Why a connection cannot subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The pod has not read the whole log yet.
    #[error("this pod is still reading the log; come back")]
    CatchingUp,
    /// The pod stops.
    #[error("this pod is ending; come back, to any pod")]
    Stopping,
    /// The user's connections were sent too much again; how long to wait.
    #[error("too-many-replays: connections of this user come back too often, or for too much; wait {}s", seconds(*.0))]
    TooManyReplays(Duration),
}

/// The whole seconds after which a time is over.
pub(crate) fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn however_many_leave_at_once_each_is_taken_once_a_few_at_a_time() {
        let departures = Departures::default();
        (0..2500).for_each(|id| departures.add(id));
        let mut taken = Vec::new();
        while taken.len() < 2500 {
            departures.wait().await;
            let some = departures.take(1000);
            assert!(some.len() <= 1000);
            taken.extend(some);
        }
        taken.sort_unstable();
        assert!(taken.into_iter().eq(0..2500));
    }
}
