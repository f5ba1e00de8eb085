//! Serves the requests that other pods send for clients of this one, and hands their replies to this pod's own requests.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use backplane::{ControlMessage, ControlReader};
use bytes::Bytes;
use jiff::Timestamp;
use metrics::counter;
use model::PodId;
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, timeout},
};
use tracing::{debug, error, warn};

use super::{
    peer_message::{ACCEPT_TIMEOUT, MAX_PARTS, PART, PeerMessage},
    peer_seal::ReceivedNumbers,
    request::{ClientRequest, Reply},
    routing::serve,
};
use crate::{
    caller::Caller,
    lock::lock,
    pod::{EnvironmentState, Pod},
};

/// Most requests of other pods that are served at once, in one environment.
const MAX_SERVED: usize = 10_000;

/// Receives the control messages of one environment.
pub struct PeerServer {
    pod: Pod,
    environment: Arc<EnvironmentState>,
    reader: ControlReader,
    serving: JoinSet<()>,
    unconfirmed: Unconfirmed,
    received: ReceivedNumbers,
}

impl PeerServer {
    /// The server of an environment on a pod.
    pub fn new(pod: Pod, environment: Arc<EnvironmentState>, reader: ControlReader) -> Self {
        let (serving, unconfirmed) = (JoinSet::new(), Unconfirmed::default());
        Self { pod, environment, reader, serving, unconfirmed, received: ReceivedNumbers::default() }
    }

    /// Serves for as long as the pod lives; ends only with an error.
    pub async fn run(mut self) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                message = self.reader.messages.recv() => match message {
                    Some(message) => self.receive(message),
                    None => anyhow::bail!("messages of other pods can no longer be received"),
                },
                Some(ended) = self.serving.join_next(), if !self.serving.is_empty() => {
                    if let Err(error) = ended {
                        error!(%error, "serving a request of another pod has panicked");
                    }
                }
            }
        }
    }

    fn receive(&mut self, message: ControlMessage) {
        use PeerMessage::{Accepted, Confirmed, Held, Part, Reply, Request};
        let (from, is_for_this_pod, message) = match self.environment.peers.open_sealed(&message, &mut self.received) {
            Ok(opened) => opened,
            Err(fault) => {
                let (environment, reason) = (self.environment.name.to_string(), fault.to_string());
                // The content could be a client's; the sender is only claimed.
                warn!(environment, reason, from = %message.from, "a control message is dropped");
                counter!("bellwire_control_dropped_total", "environment" => environment, "reason" => reason)
                    .increment(1);
                return;
            }
        };
        match message {
            Request { number, request } => self.spawn(from, number, is_for_this_pod, *request),
            Accepted { number } | Reply { number, .. } | Part { number, .. } => {
                self.environment.peers.receive(number, from, message);
            }
            Held { connections } => self.environment.balance.heard(from, connections, Instant::now()),
            Confirmed { number } => {
                let waiting = lock(&self.unconfirmed).remove(&(from, number));
                waiting.map(|waiting| waiting.send(()));
            }
        }
    }

    fn spawn(&mut self, from: PodId, number: u64, is_for_this_pod: bool, request: ClientRequest) {
        if request.claims.env != self.environment.name.as_str() || request.claims.expires() <= Timestamp::now() {
            debug!(%from, "a request whose token has expired on the way");
            return;
        }
        let id = &request.token.id;
        let is_ours = is_for_this_pod || self.pod.clients.find(id).is_some() || self.pod.poll_sessions.has_ended(id);
        if is_ours && self.serving.len() < MAX_SERVED {
            let served = PeerRequest {
                pod: self.pod.clone(),
                environment: self.environment.clone(),
                unconfirmed: self.unconfirmed.clone(),
                from,
                number,
            };
            self.serving.spawn(served.serve(request, is_for_this_pod));
        }
    }
}

/// The replies in parts that wait until the other pod confirms them.
type Unconfirmed = Arc<Mutex<HashMap<(PodId, u64), oneshot::Sender<()>>>>;

/// A request of another pod.
struct PeerRequest {
    pod: Pod,
    environment: Arc<EnvironmentState>,
    unconfirmed: Unconfirmed,
    from: PodId,
    number: u64,
}

impl PeerRequest {
    async fn serve(self, request: ClientRequest, may_start: bool) {
        let number = self.number;
        if !self.send(PeerMessage::Accepted { number }).await {
            return;
        }
        let id = request.token.id;
        let caller = Caller::from_claims(self.environment.clone(), request.claims.clone());
        match serve(&self.pod, caller, request, may_start).await {
            Reply::Messages { is_text, bytes } => {
                if !self.deliver(is_text, &bytes).await {
                    debug!("the reply to a poll was lost between pods; its client starts again");
                    if let Some(client) = self.pod.clients.find(&id) {
                        client.abort().await;
                    }
                }
            }
            // If this is lost, it is as if no pod had accepted the request.
            reply => drop(self.send(PeerMessage::Reply { number, reply }).await),
        }
    }

    /// Sends messages in parts; true once all have arrived.
    async fn deliver(&self, is_text: bool, bytes: &Bytes) -> bool {
        let (sender, confirmed) = oneshot::channel();
        let key = (self.from.clone(), self.number);
        lock(&self.unconfirmed).insert(key.clone(), sender);
        let is_sent = self.send_parts(is_text, bytes).await;
        // With nothing in it, nothing is lost.
        let is_delivered =
            bytes.is_empty() || is_sent && timeout(ACCEPT_TIMEOUT, confirmed).await.is_ok_and(|result| result.is_ok());
        lock(&self.unconfirmed).remove(&key);
        is_delivered
    }

    async fn send_parts(&self, is_text: bool, bytes: &Bytes) -> bool {
        let parts = bytes.len().div_ceil(PART).max(1);
        if parts > MAX_PARTS {
            return false;
        }
        for index in 0..parts {
            let bytes = bytes.slice(index * PART..bytes.len().min((index + 1) * PART));
            let part = PeerMessage::Part { number: self.number, index, is_last: index + 1 == parts, is_text, bytes };
            if !self.send(part).await {
                return false;
            }
        }
        true
    }

    async fn send(&self, message: PeerMessage) -> bool {
        self.environment.peers.send(Some(&self.from), message).await.is_ok()
    }
}
