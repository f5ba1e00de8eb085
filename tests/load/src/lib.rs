//! What it costs a gateway to hold connections and to write to them: many clients in one cheap process, and a bare
//! floor that writes the same bytes.
//!
//! - [`wire`]: how a client of each wire gets to where events come; [`http`]: the little HTTP that this takes
//! - [`tally`]: which numbered events each connection got, in order, whatever the wire
//! - [`listeners`]: thousands of connections in one thread
//! - [`floor`]: one write for each connection and event, and nothing else
//! - [`usage`]: the memory and processor time of another process; [`files`]: how many it may have open

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod files;
pub mod floor;
pub mod http;
pub mod listeners;
pub mod tally;
pub mod usage;
pub mod wire;

pub use listeners::Listeners;
pub use wire::Wire;
