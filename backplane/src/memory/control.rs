//! Control messages: received by the pods that are subscribed at that moment.

use async_trait::async_trait;
use model::PodId;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    control::{Control, ControlMessage, ControlReader},
    link::{Link, SendError},
};

/// Most messages that wait for a slow reader before it loses the oldest.
const MAX_QUEUED: usize = 256;

#[derive(Clone)]
pub(super) struct MemoryControl {
    messages: broadcast::Sender<ControlMessage>,
}

impl Default for MemoryControl {
    fn default() -> Self {
        Self { messages: broadcast::Sender::new(MAX_QUEUED) }
    }
}

#[async_trait]
impl Control for MemoryControl {
    async fn send(&self, message: &ControlMessage) -> Result<(), SendError> {
        // The same size limit as over a broker.
        message.to_json()?;
        // No receiver is no error: a control message may be lost.
        self.messages.send(message.clone()).ok();
        Ok(())
    }

    fn subscribe(&self, pod: &PodId) -> ControlReader {
        let mut sent = self.messages.subscribe();
        let (sender, messages) = mpsc::channel(MAX_QUEUED);
        let pod = pod.clone();
        let (link_sender, link) = watch::channel(Link::Up);
        let task = tokio::spawn(async move {
            let _link = link_sender;
            loop {
                let message = match sent.recv().await {
                    Ok(message) => message,
                    Err(broadcast::error::RecvError::Lagged(_)) => continue,
                    Err(broadcast::error::RecvError::Closed) => break,
                };
                if message.is_for(&pod) && sender.send(message).await.is_err() {
                    break;
                }
            }
        });
        ControlReader { messages, link, task: AbortOnDropHandle::new(task) }
    }
}
