//! What a host of functions promises, over the memory backplane.

#![allow(clippy::unwrap_used)]

mod cancelling;
mod doing;
mod failing;
mod large;
mod stage;
mod starting;
mod stopping;
mod tricks;
