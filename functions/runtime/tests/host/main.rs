//! The promises of the kit: of a host, over the memory backplane: how it fails, retries, waits for a rate; and of both databases.

#![allow(clippy::unwrap_used)]

mod cancelling;
mod database_tls;
mod databases;
mod doing;
mod failing;
mod large;
mod rates;
mod retrying;
mod stage;
mod starting;
mod stopping;
mod tricks;
