//! What Bellwire promises, as sentences, over both backplanes.
#![allow(clippy::unwrap_used, missing_docs)]

mod approving;
mod bad_input;
mod broker_away;
mod coming_back;
mod delivery;
mod files;
mod flowing;
mod forging;
mod functions;
mod hostile;
mod hub;
mod identity;
mod importing;
mod isolation;
mod limits;
mod negotiating;
mod page;
mod polling;
mod refreshing;
mod reporting;
mod rights;
mod settings;
mod tasks;
mod tokens;
