//! The gateway and workers of every kind in one process: SQLite, a local folder, tokens for anybody.
//!
//! - [`flags`]: the flags; [`broker`]: the backplane, in memory or on a RabbitMQ
//! - [`process`](mod@process): the process; [`own_function`]: a function of one's own in it; [`welcome`]: its first lines

mod broker;
mod flags;
mod own_function;
mod process;
mod welcome;

pub use flags::Flags;
pub use own_function::OwnFunction;
pub use process::run;
