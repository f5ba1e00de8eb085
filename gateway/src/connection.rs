//! A connection that events are written to, whatever it speaks.
//!
//! - [`takeover`]: how its socket comes from HTTP; [`line`]: the socket, and who writes to it when
//! - [`outgoing`]: what is said and what is told, in order; [`clock`]: when it must say something, and end
//! - [`format`](mod@format): how it is written; [`wire`]: the bytes, [`sse`] those of plain server-sent events
//! - [`listen`]: the life of a plain one; [`farewell`]: how each ends

pub mod clock;
pub mod farewell;
pub mod format;
pub mod line;
pub mod listen;
pub mod outgoing;
pub mod sse;
pub mod takeover;
pub mod wire;
