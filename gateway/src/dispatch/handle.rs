//! A handle that sends commands to a dispatcher.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use backplane::follow::ReadHealth;
use jiff::Timestamp;
use model::{Audience, Cursor, Priority, Task, TaskId, approval::Answer};
use tokio::{
    runtime::Handle,
    sync::{futures::OwnedNotified, mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    asked_question::AskedQuestion,
    claims::Holder,
    command::{Command, SubscribeError, Subscription},
    questions::{Found, Questions},
    registry::Recipient,
    task_list::{Admission, TaskList},
};

/// A pulse is published at most once a second, and takes a moment to come back.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(3);

/// Sends commands to a dispatcher; cheap to clone. The dispatcher ends with its last handle.
#[derive(Clone)]
pub struct DispatcherHandle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) health: watch::Receiver<ReadHealth>,
    pub(crate) dispatched: watch::Receiver<Option<Cursor>>,
}

/// The dispatcher has ended, which it does only with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this pod is ending")]
pub struct DispatcherEnded;

/// The place of a task among its user's unfinished ones. Dropped before its job is submitted, it is free again, since who
/// asked for it may leave at any time.
pub struct AdmittedTask {
    id: TaskId,
    /// None once it is known whether the place is kept.
    dispatch: Option<DispatcherHandle>,
}

impl AdmittedTask {
    /// Keeps the place until the log has the task.
    pub fn submitted(mut self) {
        self.dispatch = None;
    }

    /// Gives the place back, now.
    pub async fn withdraw(mut self) {
        if let Some(dispatch) = self.dispatch.take() {
            dispatch.withdraw_task(self.id).await;
        }
    }
}

impl Drop for AdmittedTask {
    fn drop(&mut self) {
        let id = self.id;
        if let Some(dispatch) = self.dispatch.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move { dispatch.withdraw_task(id).await });
        }
    }
}

impl DispatcherHandle {
    /// Subscribes a connection to the events after a cursor, or to those from now on.
    pub async fn subscribe(
        &self,
        recipient: Arc<Recipient>,
        after: Option<Cursor>,
    ) -> Result<Subscription, SubscribeError> {
        if !self.health.borrow().is_complete() {
            return Err(SubscribeError::CatchingUp);
        }
        let subscribe = |reply| Command::Subscribe { recipient, after, reply };
        self.request(subscribe).await.map_err(|DispatcherEnded| SubscribeError::Stopping)?
    }

    /// The cursor up to which every list that is asked for from now on is complete; none until something was read.
    pub fn cursor(&self) -> Option<Cursor> {
        *self.dispatched.borrow()
    }

    /// Waits until everything is dispatched that was in the log before the call; false if that takes too long, for the broker
    /// is away or reading has stalled.
    pub async fn catch_up(&self) -> Result<bool, DispatcherEnded> {
        match timeout(CATCH_UP_TIMEOUT, self.request(|reply| Command::CatchUp { reply })).await {
            Ok(caught_up) => caught_up.map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// A user's tasks, newest first, at most `max`; with a parent only the steps of that run.
    pub async fn list_tasks(
        &self,
        user: Arc<Recipient>,
        parent: Option<TaskId>,
        max: usize,
    ) -> Result<Vec<Arc<Task>>, DispatcherEnded> {
        self.query(move |tasks, _| tasks.list(&user.user, parent, max)).await
    }

    /// Admits a task that a user starts, who may have `max` unfinished ones; with it, if it is admitted, its place, and what
    /// is told when another start comes to its end.
    pub async fn admit_task(
        &self,
        user: Arc<Recipient>,
        (id, priority): (TaskId, Priority),
        max: usize,
    ) -> Result<(Admission, Option<AdmittedTask>, OwnedNotified), DispatcherEnded> {
        let dispatch = self.clone();
        let admit = move |tasks: &mut TaskList, _: &mut Questions| {
            let admission = tasks.admit(id, &user.user, priority, max, Instant::now());
            let is_admitted = matches!(admission, Admission::Admitted { .. });
            (admission, is_admitted.then(|| AdmittedTask { id, dispatch: Some(dispatch) }), tasks.next_started())
        };
        self.query(admit).await
    }

    async fn withdraw_task(&self, id: TaskId) {
        // The dispatcher ends with the process, and all places with it.
        self.query(move |tasks, _| tasks.withdraw(id)).await.ok();
    }

    /// The task that has one of these digests, what is known of it, and what is told when that may have changed.
    pub async fn claimed(
        &self,
        unique: Vec<String>,
    ) -> Result<(Option<(Holder, Option<Arc<Task>>)>, OwnedNotified), DispatcherEnded> {
        self.query(move |tasks, _| (tasks.claimed(&unique, Timestamp::now()), tasks.next_claim())).await
    }

    /// One task, if it is the user's.
    pub async fn find_task(&self, user: Arc<Recipient>, id: TaskId) -> Result<Option<Arc<Task>>, DispatcherEnded> {
        self.query(move |tasks, _| tasks.find(id, &user.user).cloned()).await
    }

    /// Running tasks whose next report is overdue, each with its audience; at most `max`.
    pub async fn stalled_tasks(
        &self,
        now: Timestamp,
        max: usize,
    ) -> Result<Vec<(Arc<Task>, Audience)>, DispatcherEnded> {
        self.query(move |tasks, _| tasks.stalled(now, max)).await
    }

    /// The open questions that wait for a user's answer, newest first, at most `max`.
    pub async fn open_questions(
        &self,
        user: Arc<Recipient>,
        max: usize,
    ) -> Result<Vec<AskedQuestion>, DispatcherEnded> {
        self.query(move |_, questions| questions.open(&user.user, &user.groups, max)).await
    }

    /// The question of a step to a user, answered or not: the one of this digest, or else the only one.
    pub async fn find_question(
        &self,
        user: Arc<Recipient>,
        task: TaskId,
        step: String,
        digest: Option<String>,
    ) -> Result<Found, DispatcherEnded> {
        self.query(move |_, questions| questions.find(task, &step, digest.as_deref(), &user.user, &user.groups)).await
    }

    /// The owner of a file that a user may read, since they are asked about it now.
    pub async fn owner_of_asked_file(
        &self,
        user: Arc<Recipient>,
        task: TaskId,
        step: String,
        file: String,
    ) -> Result<Option<String>, DispatcherEnded> {
        self.query(move |_, questions| questions.owner_of_file(task, &step, &file, &user.user, &user.groups)).await
    }

    /// Registers a user for their answer to the question of this digest, or the one that decides it before; the receiver closes
    /// without one if the question is dropped or closed.
    pub async fn await_answer(
        &self,
        user: Arc<Recipient>,
        task: TaskId,
        step: String,
        digest: String,
    ) -> Result<oneshot::Receiver<Answer>, DispatcherEnded> {
        let (reply, answer) = oneshot::channel();
        self.query(move |_, questions| questions.wait(task, &step, &digest, &user.user, reply)).await?;
        Ok(answer)
    }

    async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut TaskList, &mut Questions) -> T + Send + 'static,
    ) -> Result<T, DispatcherEnded> {
        self.request(|reply| Command::Query(Box::new(|tasks, questions| drop(reply.send(query(tasks, questions))))))
            .await
    }

    async fn request<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, DispatcherEnded> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| DispatcherEnded)?;
        answer.await.map_err(|_| DispatcherEnded)
    }
}
