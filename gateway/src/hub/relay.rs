//! Requests that came in on another pod than the one that holds the client. They go over the control exchange, to one
//! pod or to all; of all, only the holder answers.
//!
//! A word may be lost. What a poll was answered with must not be, or a cursor that comes later would hide it: who relays
//! says that it got all, and without that word the client is ended, so that it begins again from its last cursor.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backplane::{Control, ControlMessage, ControlReader, send::Link};
use bytes::{Bytes, BytesMut};
use model::PodId;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use tracing::{debug, error};

use super::{
    held,
    home::serve,
    request::{Reply, Request, from_base64, to_base64},
};
use crate::{
    api::problem::Problem,
    caller::Caller,
    pod::{Gate, Pod},
};

/// Requests of this pod's that may wait for others at once, in one environment.
const MOST_ASKED: usize = 10_000;
/// Requests of others that are served here at once, in one environment.
const MOST_SERVED: usize = 10_000;
/// Bytes of an answer in one word; as base64 they must fit into it.
const PART: usize = 96 * 1024;
/// Most parts of an answer.
const MOST_PARTS: usize = 256;
/// How long somebody who holds a client may take to say that it has heard.
pub(super) const HEARD: Duration = Duration::from_secs(2);
/// How much longer than a poll, or a client's message, an answer may take.
const MARGIN: Duration = Duration::from_secs(5);

/// What pods say to each other.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    /// A request, with a number of the asker's.
    Ask { number: u64, request: Box<Request> },
    /// It is being served; the answer comes.
    Heard { number: u64 },
    /// The answer, if it is not in parts.
    Answer { number: u64, reply: Reply },
    /// Part of messages for a client.
    Part {
        number: u64,
        at: usize,
        is_last: bool,
        is_text: bool,
        #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
        bytes: Bytes,
    },
    /// All parts have come.
    Got { number: u64 },
}

/// The control exchange of one environment, as this pod asks over it; cheap to clone.
#[derive(Clone)]
pub struct Relay(Arc<Inner>);

struct Inner {
    pod: PodId,
    control: Arc<dyn Control>,
    link: watch::Receiver<Link>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    /// Who waits for an answer.
    asked: HashMap<u64, mpsc::Sender<(PodId, Said)>>,
    /// Who waits to hear that all parts have come.
    given: HashMap<(PodId, u64), oneshot::Sender<()>>,
}

/// A question that waits; dropped, what is still said to it is let go.
struct Asking<'a> {
    relay: &'a Inner,
    number: u64,
    words: mpsc::Receiver<(PodId, Said)>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.relay.waiting().asked.remove(&self.number);
    }
}

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Each change is whole in itself: a panic elsewhere has not harmed it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Result<Asking<'_>, Problem> {
        let (sender, words) = mpsc::channel(MOST_PARTS + 2);
        let mut waiting = self.waiting();
        if waiting.asked.len() >= MOST_ASKED {
            return Err(Problem::unavailable("too many requests wait for other pods; come back"));
        }
        waiting.next += 1;
        let number = waiting.next;
        waiting.asked.insert(number, sender);
        Ok(Asking { relay: self, number, words })
    }

    async fn say(&self, to: Option<&PodId>, said: &Said) -> Result<(), Problem> {
        let body = serde_json::to_value(said)
            .map_err(|error| Problem::unavailable(format!("it cannot be passed on: {error}")))?;
        let word = ControlMessage { from: self.pod.clone(), to: to.cloned(), body };
        Ok(self.control.send(&word).await?)
    }
}

impl Relay {
    /// The relay of a pod in an environment, and its ear.
    pub fn open(pod: &PodId, control: Arc<dyn Control>) -> (Self, ControlReader) {
        let reader = control.subscribe(pod);
        let link = reader.link.clone();
        (Self(Arc::new(Inner { pod: pod.clone(), control, link, waiting: Mutex::default() })), reader)
    }

    /// Asks a pod, or whoever of all holds the client: waits so long for the word that it has heard, then for the
    /// answer. `None` when there is nobody. An error when words cannot be passed on now.
    pub(super) async fn ask(
        &self,
        to: Option<&PodId>,
        request: Request,
        heard: Duration,
        served: Duration,
    ) -> Result<Option<Reply>, Problem> {
        let relay = &*self.0;
        let mut link = relay.link.clone();
        if !link.borrow_and_update().is_up() {
            return Err(cut());
        }
        let mut asking = relay.begin()?;
        relay.say(to, &Said::Ask { number: asking.number, request: Box::new(request) }).await?;
        let answer = answer(&mut asking, heard, served + MARGIN);
        tokio::select! {
            answer = answer => Ok(answer),
            () = down(&mut link) => Err(cut()),
        }
    }
}

fn cut() -> Problem {
    Problem::unavailable("this connection is held on another pod, which cannot be asked now")
}

async fn down(link: &mut watch::Receiver<Link>) {
    // While the broker only takes nothing, what was said before may still be heard.
    link.wait_for(|link| matches!(link, Link::Down(_))).await.ok();
}

async fn answer(asking: &mut Asking<'_>, heard: Duration, served: Duration) -> Option<Reply> {
    let mut deadline = Instant::now() + heard;
    let mut whole = BytesMut::new();
    let mut parts = 0;
    loop {
        let (from, said) = timeout_at(deadline, asking.words.recv()).await.ok()??;
        match said {
            Said::Heard { .. } => deadline = Instant::now() + served,
            Said::Answer { reply, .. } => return Some(reply),
            Said::Part { at, is_last, is_text, bytes, .. } => {
                if at != parts {
                    // One was lost; the client is ended.
                    return None;
                }
                parts += 1;
                whole.extend_from_slice(&bytes);
                if is_last {
                    let got = Said::Got { number: asking.number };
                    asking.relay.say(Some(&from), &got).await.ok()?;
                    return Some(Reply::Messages { is_text, bytes: whole.freeze() });
                }
            }
            Said::Ask { .. } | Said::Got { .. } => {}
        }
    }
}

/// Hears what other pods say in one environment, and serves what they ask.
pub struct Ear {
    gate: Arc<Gate>,
    reader: ControlReader,
    serving: JoinSet<()>,
}

impl Ear {
    /// The ear at a gate.
    pub fn new(gate: Arc<Gate>, reader: ControlReader) -> Self {
        Self { gate, reader, serving: JoinSet::new() }
    }

    /// Hears for as long as the pod lives; ends only with an error.
    pub async fn run(mut self, pod: Pod) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                word = self.reader.messages.recv() => match word {
                    Some(word) => self.hear(word, &pod),
                    None => anyhow::bail!("the words of other pods are no longer heard"),
                },
                Some(ended) = self.serving.join_next(), if !self.serving.is_empty() => {
                    if let Err(error) = ended {
                        error!(%error, "a request of another pod's has failed");
                    }
                }
            }
        }
    }

    fn hear(&mut self, word: ControlMessage, pod: &Pod) {
        let relay = &self.gate.relay.0;
        match Said::deserialize(&word.body) {
            Ok(Said::Ask { number, request }) => {
                let id = &request.token.id;
                let is_for_us = word.to.is_some() || pod.held().find(id).is_some() || pod.home().is_over(id);
                if is_for_us && self.serving.len() < MOST_SERVED {
                    let asked = Asked { from: word.from, number, may_begin: word.to.is_some() };
                    self.serving.spawn(asked.serve(pod.clone(), self.gate.clone(), *request));
                }
            }
            Ok(said @ (Said::Heard { number } | Said::Answer { number, .. } | Said::Part { number, .. })) => {
                // Whoever asked may have gone; and it has room for all that one answer may be.
                if let Some(asking) = relay.waiting().asked.get(&number) {
                    asking.try_send((word.from, said)).ok();
                }
            }
            Ok(Said::Got { number }) => {
                if let Some(given) = relay.waiting().given.remove(&(word.from, number)) {
                    given.send(()).ok();
                }
            }
            // The text of the error could be a client's.
            Err(_) => debug!(from = %word.from, "a word that is none"),
        }
    }
}

/// A request of another pod's.
struct Asked {
    from: PodId,
    number: u64,
    /// Whether it was meant for this pod alone, so that a new client may begin here.
    may_begin: bool,
}

impl Asked {
    async fn serve(self, pod: Pod, gate: Arc<Gate>, request: Request) {
        let relay = gate.relay.clone();
        let number = self.number;
        if relay.0.say(Some(&self.from), &Said::Heard { number }).await.is_err() {
            return;
        }
        let (id, caller) = (request.token.id, Caller::proved(gate, request.claims.clone()));
        match serve(&pod, caller, request, self.may_begin).await {
            Reply::Messages { is_text, bytes } => {
                if !self.give(&relay.0, is_text, &bytes).await {
                    debug!("a poll's answer was lost between pods; its client begins again");
                    if let Some(holder) = pod.held().find(&id) {
                        // Refused, it is gone already.
                        holder.send(held::Asked::Lost).await.ok();
                    }
                }
            }
            // If this is lost, it is as if nobody had heard.
            reply => drop(relay.0.say(Some(&self.from), &Said::Answer { number, reply }).await),
        }
    }

    /// Gives what a client is told to who polled for it; whether it has come.
    async fn give(&self, relay: &Inner, is_text: bool, bytes: &Bytes) -> bool {
        let (sender, got) = oneshot::channel();
        let key = (self.from.clone(), self.number);
        relay.waiting().given.insert(key.clone(), sender);
        let is_said = self.say_parts(relay, is_text, bytes).await;
        // With nothing in it, nothing is lost.
        let is_given = bytes.is_empty() || is_said && timeout(HEARD, got).await.is_ok_and(|got| got.is_ok());
        relay.waiting().given.remove(&key);
        is_given
    }

    async fn say_parts(&self, relay: &Inner, is_text: bool, bytes: &Bytes) -> bool {
        let parts = bytes.len().div_ceil(PART).max(1);
        if parts > MOST_PARTS {
            return false;
        }
        for at in 0..parts {
            let bytes = bytes.slice(at * PART..bytes.len().min((at + 1) * PART));
            let part = Said::Part { number: self.number, at, is_last: at + 1 == parts, is_text, bytes };
            if relay.say(Some(&self.from), &part).await.is_err() {
                return false;
            }
        }
        true
    }
}
