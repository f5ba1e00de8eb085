//! The SignalR front door: existing clients connect unmodified, to any pod.
//!
//! - [`negotiate`]: where a client begins; keeps nothing
//! - [`connection_token`]: what it is given, and shows with each request
//! - [`doors`]: `/hub`, whichever way a client comes in
//! - [`session`]: a client from its handshake to its end, whatever carries the bytes; [`methods`]: what it may invoke;
//!   [`closing`]: why it ends; [`allowance`]: how much it may send
//! - [`websocket`]: any pod takes one; [`stream`]: server-sent events, held where they were asked for
//! - [`held`]: the clients whose requests come on other connections; [`polling`]: those who poll, at their [`home`]
//! - [`reach`]: which pod serves a [`request`]; [`relay`]: to and from other pods

pub mod allowance;
pub mod closing;
pub mod connection_token;
pub mod doors;
pub mod held;
pub mod home;
mod methods;
pub mod negotiate;
mod polling;
mod reach;
pub mod relay;
pub mod request;
pub mod session;
mod stream;
mod websocket;
