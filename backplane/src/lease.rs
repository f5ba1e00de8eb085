//! Which of an environment's gateways starts what is scheduled: one at a time, and another within moments when it is gone.

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// A process's part in this; it gives up what it has when dropped.
#[derive(Debug)]
pub struct Lease {
    /// True while it is this process's turn. Where the network breaks, two may believe so for a moment.
    pub held: watch::Receiver<bool>,
    /// The task that waits for it and keeps it; it ends with this value.
    pub task: AbortOnDropHandle<()>,
}

/// The lease of one environment.
pub trait SchedulerLease: Send + Sync {
    /// Waits in line for it, and gets it again if it is lost.
    fn apply(&self) -> Lease;
}
