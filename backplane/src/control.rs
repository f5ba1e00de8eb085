//! Messages between gateway pods; one may be lost, so nothing durable depends on it.

use async_trait::async_trait;
use model::PodId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::link::{Link, SendError};

/// Most bytes of a message as JSON: a client's request, or a part of an answer, in base64.
pub const MAX_CONTROL_BYTES: usize = 160 * 1024;

/// A message from one pod to another, or to all, its own included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlMessage {
    /// The sender.
    pub from: PodId,
    /// The receiver; every pod, if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<PodId>,
    /// The content; the whole message has at most [`MAX_CONTROL_BYTES`] as JSON.
    pub body: Value,
}

impl ControlMessage {
    /// The message as JSON; an error if it is too large.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, SendError> {
        let json = serde_json::to_vec(self).map_err(|error| SendError::Invalid(error.to_string()))?;
        if json.len() > MAX_CONTROL_BYTES {
            return Err(SendError::Invalid(format!(
                "a control message has {MAX_CONTROL_BYTES} bytes at most, not {}",
                json.len()
            )));
        }
        Ok(json)
    }

    /// True if this pod is a receiver.
    pub fn is_for(&self, pod: &PodId) -> bool {
        self.to.as_ref().is_none_or(|to| to == pod)
    }
}

/// Receives the messages for one pod, from when its link is first up; it reconnects by itself, and ends when dropped.
#[derive(Debug)]
pub struct ControlReader {
    /// Messages for this pod and for all.
    pub messages: mpsc::Receiver<ControlMessage>,
    /// The state of receiving.
    pub link: watch::Receiver<Link>,
    /// The task that receives; it ends with this value.
    pub task: AbortOnDropHandle<()>,
}

/// The control exchange of one environment.
#[async_trait]
pub trait Control: Send + Sync {
    /// Sends a message, without retrying.
    async fn send(&self, message: &ControlMessage) -> Result<(), SendError>;

    /// Receives the messages for this pod and for all.
    fn subscribe(&self, pod: &PodId) -> ControlReader;
}
