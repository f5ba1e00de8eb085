//! How the rest of the pod asks a dispatcher.

use std::sync::Arc;

use backplane::follow::ReadHealth;
use jiff::Timestamp;
use model::{Audience, Cursor, Task, TaskId, approval::Answer};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    command::{Command, SubscribeError, Subscription},
    questions::AskedQuestion,
    registry::Listener,
};

/// Sends commands to a dispatcher; cheap to clone. The dispatcher ends with its last handle.
#[derive(Clone)]
pub struct DispatcherHandle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) health: watch::Receiver<ReadHealth>,
}

/// The dispatcher has ended, which it does only with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this pod is ending")]
pub struct DispatcherEnded;

impl DispatcherHandle {
    /// How well the log is read.
    pub fn health(&self) -> watch::Receiver<ReadHealth> {
        self.health.clone()
    }

    /// Subscribes a new connection to the events after a cursor, or to those from now on.
    pub async fn subscribe(
        &self,
        listener: Arc<Listener>,
        after: Option<Cursor>,
    ) -> Result<Subscription, SubscribeError> {
        self.subscribe_as(listener, after, true).await
    }

    /// Subscribes an existing connection again, after a cursor; this replaces what it had.
    pub async fn resume(&self, listener: Arc<Listener>, after: Cursor) -> Result<Subscription, SubscribeError> {
        self.subscribe_as(listener, Some(after), false).await
    }

    async fn subscribe_as(
        &self,
        listener: Arc<Listener>,
        after: Option<Cursor>,
        is_additional: bool,
    ) -> Result<Subscription, SubscribeError> {
        if !self.health.borrow().is_complete() {
            return Err(SubscribeError::CatchingUp);
        }
        let subscribe = |reply| Command::Subscribe { listener, after, is_additional, reply };
        self.request(subscribe).await.map_err(|DispatcherEnded| SubscribeError::Stopping)?
    }

    /// The tasks that a user may see, newest first, at most `max`; with a parent only the steps of that run.
    pub async fn list_tasks(
        &self,
        listener: Arc<Listener>,
        parent: Option<TaskId>,
        max: usize,
    ) -> Result<Vec<Task>, DispatcherEnded> {
        self.request(|reply| Command::ListTasks { listener, parent, max, reply }).await
    }

    /// One task, if the user may see it.
    pub async fn find_task(&self, listener: Arc<Listener>, id: TaskId) -> Result<Option<Task>, DispatcherEnded> {
        self.request(|reply| Command::FindTask { listener, id, reply }).await
    }

    /// Running tasks whose next report is overdue, each with its audience; at most `max`.
    pub async fn stalled_tasks(&self, now: Timestamp, max: usize) -> Result<Vec<(Task, Audience)>, DispatcherEnded> {
        self.request(|reply| Command::StalledTasks { now, max, reply }).await
    }

    /// The questions to a user that nobody has answered, newest first, at most `max`.
    pub async fn open_questions(
        &self,
        listener: Arc<Listener>,
        max: usize,
    ) -> Result<Vec<AskedQuestion>, DispatcherEnded> {
        self.request(|reply| Command::OpenQuestions { listener, max, reply }).await
    }

    /// The question of a step, answered or not.
    pub async fn find_question(&self, task: TaskId, step: &str) -> Result<Option<AskedQuestion>, DispatcherEnded> {
        self.request(|reply| Command::FindQuestion { task, step: step.to_owned(), reply }).await
    }

    /// Registers for the first answer to a step's question; the receiver closes without one if the question is dropped.
    pub async fn await_answer(&self, task: TaskId, step: &str) -> Result<oneshot::Receiver<Answer>, DispatcherEnded> {
        let (reply, answer) = oneshot::channel();
        let command = Command::AwaitAnswer { task, step: step.to_owned(), reply };
        self.commands.send(command).await.map_err(|_| DispatcherEnded)?;
        Ok(answer)
    }

    async fn request<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, DispatcherEnded> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| DispatcherEnded)?;
        answer.await.map_err(|_| DispatcherEnded)
    }
}
