//! Workers, their broker and their database are killed in every phase of a job: its effect comes about once, its end
//! is shown once, and nothing is left behind.
//!
//! - `ledger`: a function that writes a row for each task; `phase`: where it can be halted
//! - `books`: the database that it writes to; `stage`: pod, listener, workers; `child`: a worker that is a process of
//!   its own, this program again
//! - `worker`, `poison`, `broker`, `database`, `taken_back`, `misbehaving`, `twice`: what befalls them
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod books;
mod broker;
mod child;
mod database;
mod ledger;
mod misbehaving;
mod phase;
mod poison;
mod stage;
mod taken_back;
mod twice;
mod worker;
