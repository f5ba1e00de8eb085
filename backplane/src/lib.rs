//! What crosses between processes.
//!
//! In order of flow:
//!
//! - [`topology`]: what an environment's parts are called on the broker
//! - [`send`]: what sending may come to
//! - [`log`]: the event log of one environment, published to and read
//! - [`follow`]: reading the log for life, with pulses that prove it is heard
//! - [`jobs`]: the queues of work for the functions; [`dead`]: what was given up
//! - [`control`]: messages between gateway pods
//! - [`memory`] and [`rabbitmq`]: the two implementations; [`open`]: which one

pub mod control;
pub mod dead;
pub mod follow;
pub mod jobs;
pub mod log;
pub mod memory;
pub mod open;
pub mod rabbitmq;
pub mod send;
pub mod topology;

pub use control::{Control, ControlMessage, ControlReader};
pub use dead::{DeadJob, DeadJobs, Depth};
pub use jobs::{JobDelivery, JobQueues, JobReader, Settlement};
pub use log::{Destination, Dropped, EventLog, Gap, LogEntry, LogItem, LogReader, ReadFrom};
pub use open::{Backplane, BackplaneConfig};
pub use send::{Link, SendError};
