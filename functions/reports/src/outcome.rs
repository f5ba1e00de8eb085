//! What a report comes to: the task's result, and the words for its owner.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::{
    Toast,
    toast::{Action, Level},
};
use runtime::Completion;
use serde::Serialize;
use storage::StoredFile;

use crate::{definition::Definition, format::counted, input::Format};

/// The task's result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Output {
    /// Where its owner fetches it.
    pub href: String,
    /// Rows of it.
    pub rows: u64,
    /// The file's size.
    pub bytes: u64,
    /// What file it is.
    pub format: Format,
    /// How long it took.
    pub seconds: f64,
    /// Its definition's name.
    pub report: String,
    /// Until when it can be fetched.
    pub expires: Timestamp,
}

/// The result with its words.
pub(crate) fn completion(
    definition: &Definition,
    format: Format,
    rows: u64,
    file: &StoredFile,
    started: Instant,
    keep: Duration,
) -> Completion<Output> {
    let now = Timestamp::now();
    let output = Output {
        href: file.key.href(),
        rows,
        bytes: file.bytes,
        format,
        seconds: started.elapsed().as_millis() as f64 / 1000.0,
        report: definition.name.clone(),
        expires: now.checked_add(keep).unwrap_or(Timestamp::MAX).round(jiff::Unit::Second).unwrap_or(now),
    };
    let mut toast = Toast::new(Level::Success, format!("{} is ready", definition.title));
    toast.body = Some(counted(rows));
    toast.action = Some(Action { label: "Download".to_owned(), href: output.href.clone() });
    Completion { output, toast }
}
