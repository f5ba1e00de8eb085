//! Control words: heard by whoever listens at that moment.

use async_trait::async_trait;
use model::PodId;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    control::{Control, ControlMessage, ControlReader},
    send::{Link, SendError},
};

/// How many words may wait for a slow listener before it loses the oldest.
const WAITING: usize = 256;

#[derive(Clone)]
pub(super) struct MemoryControl {
    words: broadcast::Sender<ControlMessage>,
}

impl Default for MemoryControl {
    fn default() -> Self {
        Self { words: broadcast::Sender::new(WAITING) }
    }
}

#[async_trait]
impl Control for MemoryControl {
    async fn send(&self, word: &ControlMessage) -> Result<(), SendError> {
        // No larger than what a broker carries.
        word.write()?;
        // Nobody listening is no error: a word may be lost.
        self.words.send(word.clone()).ok();
        Ok(())
    }

    fn subscribe(&self, pod: &PodId) -> ControlReader {
        let mut spoken = self.words.subscribe();
        let (sender, words) = mpsc::channel(WAITING);
        let pod = pod.clone();
        let (link, up) = watch::channel(Link::Up);
        let task = tokio::spawn(async move {
            let _link = link;
            loop {
                let word = match spoken.recv().await {
                    Ok(word) => word,
                    Err(broadcast::error::RecvError::Lagged(_)) => continue,
                    Err(broadcast::error::RecvError::Closed) => break,
                };
                if word.is_for(&pod) && sender.send(word).await.is_err() {
                    break;
                }
            }
        });
        ControlReader { words, link: up, task: AbortOnDropHandle::new(task) }
    }
}
