//! What is promised about reports; every scenario over SQLite and over PostgreSQL.
#![allow(clippy::unwrap_used)]

mod database;
mod definitions;
mod ends;
mod examples;
mod files;
mod hostile;
mod parameters;
mod world;
