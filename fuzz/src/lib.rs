//! What must hold whatever comes: each function panics where it does not. `src/bin` has a libFuzzer target for each.

mod connection;
mod cursor;
mod event;
mod hub;
mod seeds;

// The gateway's own files, and as much around them as they need: for one text, all of the gateway would be compiled
// with a fuzzer's flags.
mod api {
    pub(crate) mod problem;
}
mod caller;
#[allow(dead_code, reason = "it is all there as it stands in the gateway")]
#[path = "../../gateway/src/hub/connection_token.rs"]
mod connection_token;
#[path = "../../gateway/src/hmac.rs"]
mod hmac;
#[allow(dead_code, reason = "it is all there as it stands in the gateway")]
#[path = "../../gateway/src/token.rs"]
mod token;

pub use connection::{connection_token, connection_tokens};
pub use cursor::cursor;
pub use event::event;
pub use hub::{handshake, hub};
pub use seeds::{cursors, events, hub_messages, plant};
