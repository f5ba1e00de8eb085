//! The protocol as its specification has it, and what it does with bytes of any kind.

#![allow(clippy::unwrap_used)]

mod cuts;
mod given;
mod handshakes;
mod hostile;
mod json;
mod messagepack;
mod properties;
mod values;
