//! The result of a report's task and the toast for its owner.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::{
    Toast,
    toast::{Action, Level},
};
use runtime::Completion;
use serde::Serialize;
use storage::StoredFile;

use crate::{definition::report_definition::ReportDefinition, input::Format, number::row_count};

/// The result of the task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Output {
    /// The address of the file.
    pub href: String,
    /// Rows of the file.
    pub rows: u64,
    /// The file's size.
    pub bytes: u64,
    /// The format of the file.
    pub format: Format,
    /// The duration of the task.
    pub seconds: f64,
    /// The name of the definition.
    pub report: String,
    /// The end of the time in which the file can be fetched.
    pub expires: Timestamp,
}

/// The result with its toast.
pub(crate) fn completion(
    definition: &ReportDefinition,
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
    toast.body = Some(row_count(rows));
    toast.action = Some(Action { label: "Download".to_owned(), href: output.href.clone() });
    Completion { output, toast }
}
