//! Properties that must hold for any input: each function panics where one does not. `src/bin` has a libFuzzer target for each.

mod connection;
mod cursor;
mod event;
mod hub;
mod seeds;

// The gateway's own files, by path: for one text, all of the gateway would be compiled with a fuzzer's flags.
#[allow(dead_code, reason = "the gateway uses the rest")]
#[path = "../../gateway/src/hub/connection_token.rs"]
mod connection_token;
#[path = "../../gateway/src/hmac.rs"]
mod hmac;
#[allow(dead_code, reason = "the gateway uses the rest")]
#[path = "../../gateway/src/token.rs"]
mod token;

pub use connection::{connection_token, connection_tokens};
pub use cursor::cursor;
pub use event::event;
pub use hub::{handshake, hub};
pub use seeds::{cursors, events, hub_messages, plant};
