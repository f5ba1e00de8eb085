//! The SignalR hub protocol, as its specification has it (dotnet/aspnetcore, `src/SignalR/docs/specs/HubProtocol.md`):
//! bytes to messages and back, in JSON and in MessagePack. It knows no socket, no hub and no clock.
//!
//! - [`handshake`]: the first message of each side, always JSON
//! - [`message`]: all messages that follow
//! - [`reader`]: splits a stream of bytes into messages
//! - [`encoding`]: the choice between [`json`] and [`messagepack`]
//! - [`protocol_error`]: the errors of a client

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod encoding;
pub mod handshake;
pub mod json;
mod length;
pub mod message;
pub mod messagepack;
pub mod protocol_error;
pub mod reader;

pub use encoding::Encoding;
pub use message::{Message, Outcome};
pub use protocol_error::ProtocolError;
pub use reader::Reader;
