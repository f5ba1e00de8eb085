//! Who has it already: kept for each task in the storage, so that a job that runs again after its worker was killed goes on from there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::TaskId;
use runtime::{Context, Failure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use storage::{StorageError, TaskNotes};
use tracing::warn;

/// What is known of one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mark {
    /// They have it.
    Done,
    /// They will never have it, and why.
    Refused(String),
    /// It failed, and may work later: not before this time, if one is known.
    Later(String, Option<Timestamp>),
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Note {
    /// What the task has made, in its own words.
    #[serde(default)]
    made: Option<Value>,
    /// By recipient.
    #[serde(default)]
    marks: BTreeMap<String, Mark>,
}

/// The ledger of one task.
pub struct Ledger {
    notes: TaskNotes,
    task: TaskId,
    note: Note,
}

impl Ledger {
    /// The ledger as the last attempt at the task has left it; empty at first.
    pub async fn open(context: &Context) -> Result<Self, Failure> {
        let (notes, task) = (context.files.notes().clone(), context.task);
        let note = notes.of(task).await.map_err(unreadable)?;
        let note = note.map(|json| serde_json::from_slice(&json)).transpose().unwrap_or_else(|error| {
            warn!(%error, "the note of who has got it cannot be read; some may get it twice");
            None
        });
        Ok(Self { notes, task, note: note.unwrap_or_default() })
    }

    /// What an earlier attempt has made, if it noted any and it can be read.
    pub fn made<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(self.note.made.clone()?).ok()
    }

    /// Notes what was made.
    pub async fn keep_made(&mut self, made: &impl Serialize) -> Result<(), Failure> {
        self.note.made = Some(serde_json::to_value(made).map_err(unwritable)?);
        self.keep().await
    }

    pub(crate) fn mark(&self, recipient: &str) -> Option<&Mark> {
        self.note.marks.get(recipient)
    }

    /// Notes how it went; once it returns, that outlives the process.
    pub(crate) async fn set(&mut self, recipient: &str, mark: Mark) -> Result<(), Failure> {
        self.note.marks.insert(recipient.to_owned(), mark);
        self.keep().await
    }

    async fn keep(&self) -> Result<(), Failure> {
        let json = serde_json::to_vec(&self.note).map_err(unwritable)?;
        self.notes.keep(self.task, json.into()).await.map_err(unreadable)
    }
}

fn unwritable(error: serde_json::Error) -> Failure {
    Failure::passing("It cannot be noted who has got the report.", error)
}

fn unreadable(error: StorageError) -> Failure {
    Failure::passing("The storage cannot be used now; who has got the report is noted there.", error)
}
