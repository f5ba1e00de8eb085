//! What a function is given to run with.

use backplane::{Environment, TaskId};
use storage::OwnerFiles;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// One run of one task.
pub struct Context {
    /// The task; fences its effects.
    pub task: TaskId,
    /// Whose work it is.
    pub environment: Environment,
    /// Who asked for it: a user id.
    pub owner: String,
    /// The owner's words for it.
    pub title: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The owner's files.
    pub files: OwnerFiles,
    /// Cancelled when the task is cancelled, its deadline has passed or the host stops: leave no effect.
    /// Checked by the function before it commits.
    pub stop: CancellationToken,
    pub(crate) progress: watch::Sender<f64>,
}

impl Context {
    /// How far it has come, from 0.0 to 1.0; say it as often as you like, people hear it a few times a second.
    pub fn progress(&self, part: f64) {
        self.progress.send_replace(part.clamp(0.0, 1.0));
    }

    /// A handle that a blocking thread can report through.
    pub fn progress_handle(&self) -> watch::Sender<f64> {
        self.progress.clone()
    }
}
