//! Words between gateway pods; one may be lost, so nothing durable rests on it.

use std::{fmt, str::FromStr, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::send::{Link, SendError};

/// Most bytes of a word as JSON: a client's message, or part of what a client is told, in base64.
pub const LARGEST_WORD: usize = 160 * 1024;

/// A process among its peers: `g-…` for a gateway, `w-…` for a worker; `[a-z0-9-]`, part of a queue's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PodId(Arc<str>);

impl PodId {
    /// A new gateway pod.
    pub fn gateway() -> Self {
        Self::new("g")
    }

    /// A new worker.
    pub fn worker() -> Self {
        Self::new("w")
    }

    /// A new process of another role, such as a command at a terminal.
    pub fn new(role: &str) -> Self {
        Self(format!("{role}-{}", ulid::Ulid::generate()).to_ascii_lowercase().into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PodId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if text.is_empty() || text.len() > 64 || !plain {
            return Err("a pod id is 1 to 64 of a-z, 0-9 and '-'".to_owned());
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for PodId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PodId> for String {
    fn from(pod: PodId) -> String {
        pod.to_string()
    }
}

/// One word: from a pod, to one pod or to all, its own included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// Who speaks.
    pub from: PodId,
    /// Who should listen; all, if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<PodId>,
    /// What it says; the whole word has at most [`LARGEST_WORD`] bytes as JSON.
    pub body: Value,
}

impl Word {
    /// Its bytes, if it is no larger than one may be.
    pub(crate) fn write(&self) -> Result<Vec<u8>, SendError> {
        let body = serde_json::to_vec(self).map_err(|error| SendError::Invalid(error.to_string()))?;
        if body.len() > LARGEST_WORD {
            return Err(SendError::Invalid(format!("a word has {LARGEST_WORD} bytes at most, not {}", body.len())));
        }
        Ok(body)
    }

    /// Whether this pod should listen.
    pub fn is_for(&self, pod: &PodId) -> bool {
        self.to.as_ref().is_none_or(|to| to == pod)
    }
}

/// Hears the words for one pod, from when its link is first up; it heals by itself, and ends when dropped.
#[derive(Debug)]
pub struct WordReader {
    /// Words for this pod and for all.
    pub words: mpsc::Receiver<Word>,
    /// Whether words can be heard now.
    pub link: watch::Receiver<Link>,
    /// The task that listens; it ends with this value.
    pub task: AbortOnDropHandle<()>,
}

/// The control exchange of one environment.
#[async_trait]
pub trait Control: Send + Sync {
    /// Says a word; it is tried once.
    async fn say(&self, word: &Word) -> Result<(), SendError>;

    /// Hears what is said to this pod and to all.
    fn hear(&self, pod: &PodId) -> WordReader;
}
