//! What is promised about imports; every scenario over SQLite and over PostgreSQL.
#![allow(clippy::unwrap_used)]

mod archives;
mod attached;
mod bad_input;
mod bombs;
mod database;
mod definitions;
mod formats;
mod names;
mod once;
mod owners;
mod quota;
mod reading;
mod real_files;
mod real_workbooks;
mod refused;
mod rejected;
mod schemas;
mod sheets;
mod tables;
mod text;
mod types;
mod upsert;
mod workbooks;
mod world;
