//! The parts of one environment's backplane.

use std::sync::Arc;

use crate::{control::Control, jobs::JobQueues, lease::SchedulerLease, log::EventLog};

/// The backplane of one environment; cheap to clone.
#[derive(Clone)]
pub struct Backplane {
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// The job queues.
    pub jobs: Arc<dyn JobQueues>,
    /// Messages between gateway pods.
    pub control: Arc<dyn Control>,
    /// Which gateway pod starts what is scheduled.
    pub scheduling: Arc<dyn SchedulerLease>,
}
