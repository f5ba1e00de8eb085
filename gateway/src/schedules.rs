//! What starts by itself: schedules that workers describe in the catalogue, and that one gateway at a time starts.
//!
//! In order of flow:
//!
//! - [`beneficiary`]: for whom this gateway signs tasks without being asked; [`known`]: the schedules of the catalogue
//! - [`record`]: what is kept of each, and what people have said about it
//! - [`due`]: which of its times count, by its policies
//! - [`scheduler`]: the task that starts them while its pod has the lease

pub mod beneficiary;
pub mod due;
pub mod known;
pub mod record;
pub mod scheduler;
