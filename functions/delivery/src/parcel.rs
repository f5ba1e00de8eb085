//! What is delivered: a file, and what is said of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::FileKey;

/// A file of the owner's, and what is said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parcel {
    /// One line.
    pub title: String,
    /// A longer text; empty if there is none.
    pub description: String,
    /// What tells it from others of its title, in one line.
    pub summary: String,
    /// What it says about itself, as names and values.
    pub facts: Vec<(String, String)>,
    /// The rows of the file.
    pub rows: u64,
    /// The file.
    pub file: FileKey,
    /// Its size.
    pub bytes: u64,
    /// Its media type.
    pub content_type: String,
    /// The end of the time in which it can be fetched.
    pub expires: Timestamp,
    /// The type of the event that webhooks are sent, such as `bellwire.report.ready`.
    pub event_type: String,
    /// What that event says besides file, link and rows, for programs.
    pub data: Value,
}
