//! Properties that must hold for any input: each function panics where one does not.
//!
//! - [`targets`]: the list of them; `main.rs` feeds one of them from libFuzzer, `tests/replay.rs` all of them their seeds
//! - `names`, `tokens`, `messages`, `event`, `hub`, `settings`: bytes of one kind each
//! - `definitions`: what operators write; `files`: what people upload
//! - `http`: requests to a whole gateway, which `pod` starts
//! - `seeds`: good inputs of some targets

mod definitions;
mod event;
mod files;
mod http;
mod hub;
mod messages;
mod names;
mod pod;
mod seeds;
mod settings;
mod targets;
mod tokens;

pub use targets::{TARGETS, Target, find};
