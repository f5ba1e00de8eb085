//! The commands of a dispatcher, and the subscription with which it answers a connection.

use std::sync::Arc;

use model::Cursor;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    outbox::Outbox,
    questions::Questions,
    registry::{ConnectionId, Recipient},
    task_list::TaskList,
};

/// Asks something of the tasks and questions.
type Query = Box<dyn FnOnce(&mut TaskList, &mut Questions) + Send>;

/// A request to a dispatcher.
pub(crate) enum Command {
    Subscribe {
        recipient: Arc<Recipient>,
        after: Option<Cursor>,
        reply: oneshot::Sender<Result<Subscription, SubscribeError>>,
    },
    Unsubscribe(ConnectionId),
    Query(Query),
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
    pub(crate) commands: mpsc::Sender<Command>,
}

impl Drop for Unsubscribe {
    fn drop(&mut self) {
        // When too many commands wait, the dispatcher's sweep finds the closed outbox.
        self.commands.try_send(Command::Unsubscribe(self.id)).ok();
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
}
