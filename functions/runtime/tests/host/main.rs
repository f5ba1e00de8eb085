//! The promises of the kit: of a host, over the memory backplane, and of both databases.

#![allow(clippy::unwrap_used)]

mod cancelling;
mod databases;
mod doing;
mod failing;
mod large;
mod stage;
mod starting;
mod stopping;
mod tricks;
