//! The lease within one process: whoever waits gets it in turn.

use std::{future::pending, sync::Arc};

use tokio::sync::{Mutex, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::lease::{Lease, SchedulerLease};

#[derive(Clone, Default)]
pub(super) struct MemoryLease(Arc<Mutex<()>>);

impl SchedulerLease for MemoryLease {
    fn apply(&self) -> Lease {
        let (sender, held) = watch::channel(false);
        let lock = self.0.clone();
        let task = tokio::spawn(async move {
            let _guard = lock.lock_owned().await;
            sender.send_replace(true);
            pending::<()>().await;
        });
        Lease { held, task: AbortOnDropHandle::new(task) }
    }
}
