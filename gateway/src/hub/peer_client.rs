//! Sends clients' requests to the pods that hold them, over the control exchange: to one pod, or to all, of which only
//! the holder replies.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use backplane::{Control, ControlMessage, ControlReader, link::Link};
use bytes::BytesMut;
use model::{Environment, PodId};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout_at},
};

use super::{
    peer_message::{MAX_PARTS, PeerMessage},
    peer_seal::{ReceivedNumbers, Seal, SealFault},
    request::{ClientRequest, Reply},
};
use crate::{api::problem::Problem, lock::lock, token::Key};

/// Most requests of this pod that wait for others, in one environment.
const MAX_PENDING: usize = 10_000;
/// The time a reply may take beyond the poll, or the handling of a client's messages.
const MARGIN: Duration = Duration::from_secs(5);

/// The control exchange of one environment as this pod sends over it; cheap to clone.
#[derive(Clone)]
pub struct PeerClient(Arc<Inner>);

struct Inner {
    seal: Seal,
    control: Arc<dyn Control>,
    link: watch::Receiver<Link>,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    next: u64,
    replies: HashMap<u64, mpsc::Sender<(PodId, PeerMessage)>>,
}

/// A request that waits for its reply; once dropped, later messages to it are ignored.
struct PendingRequest<'a> {
    client: &'a PeerClient,
    number: u64,
    messages: mpsc::Receiver<(PodId, PeerMessage)>,
}

impl Drop for PendingRequest<'_> {
    fn drop(&mut self) {
        lock(&self.client.0.pending).replies.remove(&self.number);
    }
}

impl PeerClient {
    /// The client of a pod in an environment, and the reader of what other pods send to it.
    pub fn open(pod: &PodId, environment: &Environment, key: &Key, control: Arc<dyn Control>) -> (Self, ControlReader) {
        let reader = control.subscribe(pod);
        let link = reader.link.clone();
        let seal = Seal::new(key.internal.clone(), environment.clone(), pod.clone());
        (Self(Arc::new(Inner { seal, control, link, pending: Mutex::default() })), reader)
    }

    /// Sends a request to a pod, or to all for the one that holds the client. Waits this long until it is accepted, and
    /// then for the reply; `None` if no pod accepts it. An error when control messages cannot be sent or received now.
    pub(super) async fn request(
        &self,
        to: Option<&PodId>,
        request: ClientRequest,
        accept_timeout: Duration,
        reply_timeout: Duration,
    ) -> Result<Option<Reply>, Problem> {
        let mut link = self.0.link.clone();
        if !link.borrow_and_update().is_up() {
            return Err(unreachable());
        }
        let mut pending = self.begin()?;
        self.send(to, PeerMessage::Request { number: pending.number, request: Box::new(request) }).await?;
        tokio::select! {
            reply = pending.reply(accept_timeout, reply_timeout + MARGIN) => Ok(reply),
            // While the broker only takes nothing, a reply that was sent before may still arrive.
            _ = link.wait_for(|link| matches!(link, Link::Down(_))) => Err(unreachable()),
        }
    }

    /// Sends a message to a pod, or to all.
    pub(super) async fn send(&self, to: Option<&PodId>, message: PeerMessage) -> Result<(), Problem> {
        let sealed = self.0.seal.seal(to, message);
        let message = sealed.map_err(|error| Problem::unavailable(format!("it cannot be passed on: {error}")))?;
        Ok(self.0.control.send(&message).await?)
    }

    /// Tells all pods how many connections this one holds, or that it takes no more; false if that cannot be said now.
    pub(crate) async fn tell_held(&self, connections: Option<usize>) -> bool {
        self.send(None, PeerMessage::Held { connections }).await.is_ok()
    }

    /// The sender and content of a message that another pod has sealed, and whether it is for this pod alone.
    pub(super) fn open_sealed(
        &self,
        message: &ControlMessage,
        received: &mut ReceivedNumbers,
    ) -> Result<(PodId, bool, PeerMessage), SealFault> {
        self.0.seal.open(message, received)
    }

    /// Hands a message of another pod to the request that waits for it, if one still does.
    pub(super) fn receive(&self, number: u64, from: PodId, message: PeerMessage) {
        if let Some(request) = lock(&self.0.pending).replies.get(&number) {
            // It has room for all that one reply may be.
            request.try_send((from, message)).ok();
        }
    }

    fn begin(&self) -> Result<PendingRequest<'_>, Problem> {
        let (sender, messages) = mpsc::channel(MAX_PARTS + 2);
        let mut pending = lock(&self.0.pending);
        if pending.replies.len() >= MAX_PENDING {
            return Err(Problem::unavailable("too many requests wait for other pods; try again"));
        }
        pending.next += 1;
        let number = pending.next;
        pending.replies.insert(number, sender);
        Ok(PendingRequest { client: self, number, messages })
    }
}

impl PendingRequest<'_> {
    async fn reply(&mut self, accept_timeout: Duration, reply_timeout: Duration) -> Option<Reply> {
        let mut deadline = Instant::now() + accept_timeout;
        let mut whole = BytesMut::new();
        let mut parts = 0;
        loop {
            let (from, message) = timeout_at(deadline, self.messages.recv()).await.ok()??;
            match message {
                PeerMessage::Accepted { .. } => deadline = Instant::now() + reply_timeout,
                PeerMessage::Reply { reply, .. } => return Some(reply),
                PeerMessage::Part { index, is_last, is_text, bytes, .. } => {
                    if index != parts {
                        // One was lost; the client is ended.
                        return None;
                    }
                    parts += 1;
                    whole.extend_from_slice(&bytes);
                    if is_last {
                        let confirmed = PeerMessage::Confirmed { number: self.number };
                        self.client.send(Some(&from), confirmed).await.ok()?;
                        return Some(Reply::Messages { is_text, bytes: whole.freeze() });
                    }
                }
                PeerMessage::Request { .. } | PeerMessage::Confirmed { .. } | PeerMessage::Held { .. } => {}
            }
        }
    }
}

fn unreachable() -> Problem {
    Problem::unavailable("this connection is held on another pod, which cannot be reached now")
}
