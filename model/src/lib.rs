//! The types that Bellwire's parts exchange. They know no broker and no socket.
//!
//! In order of flow:
//!
//! - [`environment`]: names of environments and of kinds of function; [`pod`]: names of processes
//! - [`catalogue`]: the functions that can be started, and their forms; [`schedule`]: what starts by itself; [`job`]: a piece of
//!   work in a queue; [`policy`]: its priority, attempts, uniqueness and rate
//! - [`event`]: a CloudEvent, with its [`audience`], its [`event_time`] and, inside its [`event_data`], [`task`], [`toast`] and
//!   [`approval`]; [`binary_event`]: one whose attributes stand beside its data; [`misspelling`]: names that are nearly ours;
//!   [`EncodedEvent`]: one that is ready to be published
//! - [`claim`]: what only one unfinished task may have
//! - [`log_line`]: what a task says to its owner
//! - [`cursor`]: a position in an environment's log; `text_form`: serde for types that are written as text; [`json_memory`]: what JSON takes in memory

pub mod approval;
pub mod audience;
pub mod binary_event;
pub mod catalogue;
pub mod claim;
pub mod cursor;
mod encoded_event;
pub mod environment;
pub mod event;
pub mod event_data;
pub mod event_time;
pub mod job;
pub mod json_memory;
pub mod log_line;
pub mod misspelling;
pub mod pod;
pub mod policy;
pub mod schedule;
pub mod task;
mod text_form;
pub mod toast;

pub use audience::{Audience, Term};
pub use binary_event::BinaryEvent;
pub use cursor::Cursor;
pub use encoded_event::EncodedEvent;
pub use environment::{Environment, InvalidName, Kind};
pub use event::{Event, EventError};
pub use event_data::EventData;
pub use job::Job;
pub use pod::PodId;
pub use policy::{Policies, Policy, Priority};
pub use schedule::Schedule;
pub use task::{Step, StepState, Task, TaskError, TaskId, TaskState};
pub use toast::Toast;
