//! Words between gateway pods; one may be lost, so nothing durable rests on it.

use async_trait::async_trait;
use model::PodId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::send::{Link, SendError};

/// Most bytes of a word as JSON: a client's message, or part of what a client is told, in base64.
pub const LARGEST_CONTROL_MESSAGE: usize = 160 * 1024;

/// One word: from a pod, to one pod or to all, its own included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlMessage {
    /// Who speaks.
    pub from: PodId,
    /// Who should listen; all, if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<PodId>,
    /// What it says; the whole word has at most [`LARGEST_CONTROL_MESSAGE`] bytes as JSON.
    pub body: Value,
}

impl ControlMessage {
    /// Its bytes, if it is no larger than one may be.
    pub(crate) fn write(&self) -> Result<Vec<u8>, SendError> {
        let body = serde_json::to_vec(self).map_err(|error| SendError::Invalid(error.to_string()))?;
        if body.len() > LARGEST_CONTROL_MESSAGE {
            return Err(SendError::Invalid(format!(
                "a word has {LARGEST_CONTROL_MESSAGE} bytes at most, not {}",
                body.len()
            )));
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
pub struct ControlReader {
    /// Words for this pod and for all.
    pub words: mpsc::Receiver<ControlMessage>,
    /// Whether words can be heard now.
    pub link: watch::Receiver<Link>,
    /// The task that listens; it ends with this value.
    pub task: AbortOnDropHandle<()>,
}

/// The control exchange of one environment.
#[async_trait]
pub trait Control: Send + Sync {
    /// Says a word; it is tried once.
    async fn send(&self, word: &ControlMessage) -> Result<(), SendError>;

    /// Hears what is said to this pod and to all.
    fn subscribe(&self, pod: &PodId) -> ControlReader;
}
