//! The SignalR front door: existing clients connect unmodified, to any pod.
//!
//! - [`negotiate`]: where a client begins; keeps nothing
//! - [`connection_token`]: what it is given, and shows with each request
//! - [`allowance`]: how much a client may send

pub mod allowance;
pub mod connection_token;
pub mod negotiate;
