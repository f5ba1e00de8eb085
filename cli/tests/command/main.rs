//! The command as a person meets it: what it prints, and what it answers to what cannot be done.

#![allow(clippy::unwrap_used)]

mod answers;
mod broker;
mod dev;
mod events;
mod jobs;
mod key;
mod new;
mod running;
mod schedules;
mod token;
