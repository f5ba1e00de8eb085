//! What crosses between processes.
//!
//! In order of flow:
//!
//! - [`event`]: what travels, a CloudEvent, with [`audience`], [`task`] and [`toast`] inside it
//! - [`environment`]: whose it is; [`topology`]: what that is called on the broker
//! - [`log`]: the event log of one environment, published to and read; [`cursor`]: a place in it
//! - [`follow`]: reading the log for life, with pulses that prove it is heard
//! - [`job`]: work for the functions; [`jobs`]: its queues; [`dead`]: what was given up; [`catalogue`]: what functions say
//! - [`approval`]: a workflow asks people; [`control`]: words between gateway pods
//! - [`memory`] and [`rabbitmq`]: the two implementations; [`open`]: which one

pub mod approval;
pub mod audience;
pub mod catalogue;
pub mod control;
pub mod cursor;
pub mod dead;
pub mod environment;
pub mod event;
pub mod follow;
pub mod job;
pub mod jobs;
pub mod log;
pub mod memory;
pub mod open;
pub mod rabbitmq;
pub mod send;
pub mod task;
pub mod toast;
pub mod topology;

pub use audience::{Audience, Term};
pub use control::{Control, PodId, Word, WordReader};
pub use cursor::Cursor;
pub use dead::{DeadJob, DeadJobs, Depth};
pub use environment::{Environment, InvalidName, Kind};
pub use event::{Event, EventError};
pub use job::Job;
pub use jobs::{JobDelivery, JobQueues, JobReader, Settlement};
pub use log::{Destination, Dropped, EventLog, Gap, LogEntry, LogItem, LogReader, ReadFrom};
pub use open::{Backplane, BackplaneConfig};
pub use send::{Link, SendError};
pub use task::{Step, StepState, Task, TaskError, TaskId, TaskState};
pub use toast::Toast;
