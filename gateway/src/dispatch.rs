//! How the rest of the pod speaks to a dispatcher, one task per environment.
//!
//! - [`dispatcher`]: the task; it owns [`window`], [`registry`], [`task_list`] and [`questions`]
//! - [`delivered`]: an event, encoded once for each format; [`outbox`]: what waits for one connection
//! - [`listed`]: the connections that have something to write
//! - [`lost`]: tasks whose worker fell silent are said to wait again

pub mod delivered;
pub mod dispatcher;
pub mod listed;
pub mod lost;
pub mod outbox;
pub mod questions;
pub mod registry;
pub mod task_list;
pub mod window;

use std::sync::Arc;

use backplane::follow::ReadHealth;
use jiff::Timestamp;
use model::{Audience, Cursor, Task, TaskId, approval::Answer};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    dispatch::listed::Listed,
    dispatch::{
        outbox::Outbox,
        questions::Asked,
        registry::{ConnectionId, Listener},
    },
};

/// What a dispatcher is asked.
#[derive(Debug)]
pub(crate) enum Command {
    Subscribe {
        listener: Arc<Listener>,
        after: Option<Cursor>,
        is_more: bool,
        reply: oneshot::Sender<Result<Subscription, Refusal>>,
    },
    Unsubscribe(ConnectionId),
    List {
        listener: Arc<Listener>,
        parent: Option<TaskId>,
        most: usize,
        reply: oneshot::Sender<Vec<Task>>,
    },
    Find {
        listener: Arc<Listener>,
        id: TaskId,
        reply: oneshot::Sender<Option<Task>>,
    },
    Silent {
        since: Timestamp,
        most: usize,
        reply: oneshot::Sender<Vec<(Task, Audience)>>,
    },
    Questions {
        listener: Arc<Listener>,
        most: usize,
        reply: oneshot::Sender<Vec<Asked>>,
    },
    Question {
        task: TaskId,
        step: String,
        reply: oneshot::Sender<Option<Asked>>,
    },
    Answer {
        task: TaskId,
        step: String,
        reply: oneshot::Sender<Answer>,
    },
}

/// A connection's part of the log; dropped, it is over.
#[derive(Debug)]
pub struct Subscription {
    /// Where the client is: all after it will come.
    pub start: Cursor,
    /// What comes, first a [`crate::dispatch::outbox::Parcel::Replay`].
    pub outbox: Outbox,
    /// The last place of which everything was put into the outbox; read it before emptying the outbox.
    pub last: watch::Receiver<Option<Cursor>>,
    pub(crate) _leaving: Leaving,
}

#[derive(Debug)]
pub(crate) struct Leaving {
    pub(crate) id: ConnectionId,
    pub(crate) commands: mpsc::Sender<Command>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        // When too many commands wait, the sweep finds it.
        self.commands.try_send(Command::Unsubscribe(self.id)).ok();
    }
}

/// The dispatcher has ended, which it does only with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this pod is ending")]
pub struct Ended;

/// Why somebody cannot listen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The pod is not complete.
    #[error("this pod is still reading the log; come back")]
    Reading,
    /// The user has as many connections as one may have.
    #[error("{0} connections of this user are on this pod, and more may not be")]
    TooMany(usize),
    /// The pod stops.
    #[error("this pod is ending; come back, to any pod")]
    Ending,
}

/// Speaks to a dispatcher; cheap to clone.
#[derive(Clone)]
pub struct Dispatch {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) health: watch::Receiver<ReadHealth>,
    pub(crate) listed: Listed,
}

impl Dispatch {
    /// Where connections are listed that have something to write.
    pub fn listed(&self) -> &Listed {
        &self.listed
    }

    /// How well the log is heard.
    pub fn health(&self) -> watch::Receiver<ReadHealth> {
        self.health.clone()
    }

    /// Subscribes from after a cursor on, or from now on.
    pub async fn subscribe(&self, listener: Arc<Listener>, after: Option<Cursor>) -> Result<Subscription, Refusal> {
        self.begin(listener, after, true).await
    }

    /// Subscribes anew from after a cursor on, for a connection that is there and will have this alone.
    pub async fn resume(&self, listener: Arc<Listener>, after: Cursor) -> Result<Subscription, Refusal> {
        self.begin(listener, Some(after), false).await
    }

    async fn begin(
        &self,
        listener: Arc<Listener>,
        after: Option<Cursor>,
        is_more: bool,
    ) -> Result<Subscription, Refusal> {
        if !self.health.borrow().is_complete() {
            return Err(Refusal::Reading);
        }
        let subscribe = |reply| Command::Subscribe { listener, after, is_more, reply };
        self.ask(subscribe).await.map_err(|Ended| Refusal::Ending)?
    }

    /// The tasks that somebody hears of, newest first, at most `most`; with a parent the steps of that run alone.
    pub async fn list(&self, listener: Arc<Listener>, parent: Option<TaskId>, most: usize) -> Result<Vec<Task>, Ended> {
        self.ask(|reply| Command::List { listener, parent, most, reply }).await
    }

    /// One task, if somebody may see it.
    pub async fn find(&self, listener: Arc<Listener>, id: TaskId) -> Result<Option<Task>, Ended> {
        self.ask(|reply| Command::Find { listener, id, reply }).await
    }

    /// Running tasks of which something should have been heard before this, and who hears of them.
    pub async fn silent(&self, since: Timestamp, most: usize) -> Result<Vec<(Task, Audience)>, Ended> {
        self.ask(|reply| Command::Silent { since, most, reply }).await
    }

    /// The questions that somebody is asked and nobody has answered, newest first.
    pub async fn questions(&self, listener: Arc<Listener>, most: usize) -> Result<Vec<Asked>, Ended> {
        self.ask(|reply| Command::Questions { listener, most, reply }).await
    }

    /// What a step asks, answered or not.
    pub async fn question(&self, task: TaskId, step: &str) -> Result<Option<Asked>, Ended> {
        self.ask(|reply| Command::Question { task, step: step.to_owned(), reply }).await
    }

    /// Waits for the answer that stands, from when this is called on; closed without one if the question is forgotten.
    pub async fn answer(&self, task: TaskId, step: &str) -> Result<oneshot::Receiver<Answer>, Ended> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Answer { task, step: step.to_owned(), reply };
        self.commands.send(command).await.map_err(|_| Ended)?;
        Ok(answer)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Ended)?;
        answer.await.map_err(|_| Ended)
    }
}
