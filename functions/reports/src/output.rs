//! The result of a report's task and the toast for its owner.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::{
    Toast,
    toast::{Action, Level},
};
use runtime::Completion;
use serde::Serialize;
use serde_json::{Map, Value};
use storage::StoredFile;

use crate::{
    about::{About, Parameter},
    input::Format,
    number::row_count,
};

/// The result of the task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Output {
    /// The address of the file.
    pub href: String,
    /// The address of a file that says what this one is, where rows are all that it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
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
    /// Tells versions of the definition apart.
    pub definition: String,
    /// The values of the parameters, null where there is none.
    pub parameters: Map<String, Value>,
    /// What tells it from others of its title: `XLSX · Year: 2015`.
    pub summary: String,
    /// The end of the time in which the file can be fetched.
    pub expires: Timestamp,
}

/// The result with its toast.
pub(crate) fn completion(
    about: &About,
    rows: u64,
    (file, beside): (&StoredFile, Option<&StoredFile>),
    started: Instant,
    keep: Duration,
) -> Completion<Output> {
    let now = Timestamp::now();
    let parameter = |parameter: &Parameter| (parameter.name.clone(), parameter.value.clone());
    let output = Output {
        href: file.key.href(),
        about: beside.map(|file| file.key.href()),
        rows,
        bytes: file.bytes,
        format: about.format,
        seconds: started.elapsed().as_millis() as f64 / 1000.0,
        report: about.report.clone(),
        definition: about.digest.clone(),
        parameters: about.parameters.iter().map(parameter).collect(),
        summary: about.summary(),
        expires: now.checked_add(keep).unwrap_or(Timestamp::MAX).round(jiff::Unit::Second).unwrap_or(now),
    };
    let mut toast = Toast::new(Level::Success, format!("{} is ready", about.title));
    toast.body = Some(format!("{} · {}", row_count(rows), output.summary));
    toast.action = Some(Action { label: "Download".to_owned(), href: output.href.clone() });
    Completion { output, toast }
}
