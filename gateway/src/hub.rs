//! The SignalR front door: existing clients connect unmodified, to any pod.
//!
//! - [`negotiate`]: where a client begins; keeps nothing
//! - [`connection_token`]: what it is given, and shows with each request
//! - [`doors`]: `/hub`, whichever way a client comes in
//! - [`session`]: a client from its handshake to its end, whatever carries the bytes; [`methods`]: what it may invoke;
//!   [`closing`]: why it ends; [`allowance`]: how much it may send
//! - [`websocket`]: any pod takes one; [`stream`]: server-sent events, held where they were asked for
//! - [`held`]: the clients whose requests come on other connections

pub mod allowance;
pub mod closing;
pub mod connection_token;
pub mod doors;
pub mod held;
mod methods;
pub mod negotiate;
pub mod session;
mod stream;
mod websocket;
