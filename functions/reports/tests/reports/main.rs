//! Scenarios of the reports function; most run over SQLite and over PostgreSQL.
#![allow(clippy::unwrap_used)]

mod about;
mod database;
mod definitions;
mod delivering;
mod examples;
mod files;
mod fixture;
mod hostile;
mod lifecycle;
mod parameters;
mod pdf;
mod readers;
mod rights;
mod sheets;
mod values;
