//! The result of a report's task and the toast for its owner.

use std::time::{Duration, Instant};

use delivery::{Delivered, Parcel};
use jiff::Timestamp;
use model::{
    Toast,
    toast::{Action, Level},
};
use runtime::Completion;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use storage::StoredFile;

use crate::{
    about::{About, Parameter},
    input::Format,
    number::row_count,
};

/// The result of the task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The address of the file.
    pub href: String,
    /// The address of a file that says what this one is, where rows are all that it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    /// Who has it besides its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Delivered>,
}

/// A report that was made, and what is said of it to others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) output: Output,
    pub(crate) parcel: Parcel,
}

/// What was made.
pub(crate) fn made(
    about: &About,
    rows: u64,
    (file, beside): (&StoredFile, Option<&StoredFile>),
    started: Instant,
    keep: Duration,
) -> Made {
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
        delivered: None,
    };
    let parcel = Parcel {
        title: about.title.clone(),
        description: about.description.clone(),
        summary: format!("{} · {}", row_count(rows), output.summary),
        facts: about.entries(),
        rows,
        file: file.key.clone(),
        bytes: file.bytes,
        content_type: about.content_type().to_owned(),
        expires: output.expires,
        event_type: "bellwire.report.ready".to_owned(),
        data: json!({ "report": output.report, "definition": output.definition, "format": output.format, "parameters": output.parameters }),
    };
    Made { output, parcel }
}

/// The result with the toast of its owner, once others have it who shall.
pub(crate) fn completion(Made { output, parcel }: Made, sent: Sent) -> Completion<Output> {
    let has_failed = matches!(&sent, Sent::Delivered(delivered) if !delivered.undelivered.is_empty());
    let level = if has_failed { Level::Warning } else { Level::Success };
    let mut toast = Toast::new(level, format!("{} is ready", parcel.title));
    let (words, delivered) = match sent {
        Sent::ToNobody => (None, None),
        Sent::Empty => (Some("sent to nobody, since it has no rows".to_owned()), None),
        Sent::Delivered(delivered) => (Some(delivered.in_words()), Some(delivered)),
    };
    toast.body = Some([Some(parcel.summary), words].into_iter().flatten().collect::<Vec<_>>().join(" · "));
    toast.action = Some(Action { label: "Download".to_owned(), href: output.href.clone() });
    Completion { output: Output { delivered, ..output }, toast }
}

/// What became of a report besides its owner's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is for its owner alone.
    ToNobody,
    /// It would have gone to others, if it had rows.
    Empty,
    /// It has gone to others.
    Delivered(Delivered),
}
