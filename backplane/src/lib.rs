//! Carries events, jobs and control messages between processes.
//!
//! In order of flow:
//!
//! - [`open`]: a backplane from its settings, [`tls_files`] among them; [`backplane`]: its parts; [`topology`]: its names on the broker
//! - [`log`]: the event log of one environment, published to and read; [`follow`]: reads it continuously, with pulses
//!   that prove that nothing is missing
//! - [`jobs`]: the work queues of the functions; [`lane`]: which of a kind's queues a job waits in; [`dead`]: jobs that
//!   were given up
//! - [`control`]: messages between gateway pods; [`lease`]: which of them starts what is scheduled
//! - [`link`]: the outcomes of sending, and the state of a connection
//! - [`memory`] and [`rabbitmq`]: the two implementations; `metrics`: what each of their metrics says

pub mod backplane;
pub mod control;
pub mod dead;
pub mod follow;
pub mod jobs;
pub mod lane;
pub mod lease;
pub mod link;
pub mod log;
pub mod memory;
mod metrics;
pub mod open;
pub mod rabbitmq;
pub mod tls_files;
pub mod topology;

pub use backplane::Backplane;
pub use control::{Control, ControlMessage, ControlReader};
pub use dead::{DeadJob, DeadJobs, Depth};
pub use jobs::{JobDelivery, JobQueues, JobReader, Settlement};
pub use lane::Lane;
pub use lease::{Lease, SchedulerLease};
pub use link::{Link, SendError};
pub use log::{
    BatchError, Destination, DropReason, DroppedMessage, EventLog, Gap, LogEntry, LogItem, LogReader, ReadFrom,
};
pub use open::BackplaneConfig;

pub use self::metrics::describe_metrics;
