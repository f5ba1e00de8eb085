//! A client of the hub, from its handshake to its end, whatever carries the bytes.

use std::time::Duration;

use metrics::counter;
use model::Cursor;
use serde_json::Value;
use signalr::{Encoding, Message, Outcome, ProtocolError, Reader, handshake};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{
    allowance::Allowance,
    closing::Closing,
    methods::{self, Invoked},
};
use crate::{api::problem::Problem, caller::Caller, dispatch::outbox::EndReason, pod::Pod, write::feed::EventFeed};

/// What takes to the client what is said to it.
pub trait Carrier: Sync {
    /// From here on it is written so; `false` if this transport cannot.
    fn speak(&self, encoding: Encoding) -> bool;
    /// Says a handshake's answer: bare bytes.
    fn answer(&self, handshake: Vec<u8>);
    /// Says a message.
    fn say(&self, message: &Message);
    /// From here on this is told.
    fn tell(&self, telling: EventFeed);
    /// Bytes that the client has not taken yet.
    fn unread(&self) -> usize;
}

/// Counts an end and tells the client why, unless it has left by itself.
pub(super) fn conclude(closing: &Closing, carrier: &impl Carrier) {
    counter!("bellwire_connections_ended_total", "reason" => closing.as_str()).increment(1);
    match closing {
        Closing::Left => {}
        Closing::Refused(why) => carrier.answer(handshake::answer(Some(why))),
        closing => carrier.say(&closing.message()),
    }
}

/// Where the client asked to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It did not ask, so it gets what comes next, and never a cursor.
    Unasked,
    /// With what comes next.
    Now,
    /// After this cursor.
    Cursor(Cursor),
}

impl After {
    /// Reads the parameter `after`.
    pub fn read(text: Option<&str>) -> Result<Self, model::cursor::CursorError> {
        match text {
            None => Ok(Self::Unasked),
            Some("" | "now") => Ok(Self::Now),
            Some(cursor) => cursor.parse().map(Self::Cursor),
        }
    }

    fn cursor(self) -> Option<Cursor> {
        match self {
            Self::Cursor(cursor) => Some(cursor),
            Self::Unasked | Self::Now => None,
        }
    }
}

/// Bytes of answers that a client may leave unread before it is ended.
const MOST_UNREAD: usize = 1 << 20;

/// Most bytes of a client's message.
pub(super) fn largest_message(pod: &Pod) -> usize {
    usize::try_from(pod.config().largest_message).unwrap_or(usize::MAX)
}

/// One client.
pub struct Session {
    pub(super) pod: Pod,
    pub(super) caller: Caller,
    pub(super) after: After,
    stage: Stage,
    heard: Instant,
    allowance: Allowance,
    _seat: OwnedSemaphorePermit,
}

enum Stage {
    /// What came of the handshake so far.
    Greeting(Vec<u8>),
    Open(Reader),
}

impl Session {
    /// A client that has not said anything yet; a problem if this pod has no seat for it.
    pub fn new(pod: &Pod, caller: Caller, after: After) -> Result<Self, Problem> {
        let now = Instant::now();
        let allowance = Allowance::new(pod.config().messages, now);
        let (pod, _seat) = (pod.clone(), pod.seat()?);
        Ok(Self { pod, caller, after, stage: Stage::Greeting(Vec::new()), heard: now, allowance, _seat })
    }

    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether the handshake is done.
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    /// When it must have said something again; before the handshake that is when the handshake must be done.
    pub fn deadline(&self) -> Instant {
        self.heard + self.patience()
    }

    fn patience(&self) -> Duration {
        match self.stage {
            Stage::Greeting(_) => self.pod.config().handshake_timeout,
            Stage::Open(_) => self.pod.config().client_timeout,
        }
    }

    /// It said nothing until its deadline.
    pub fn late(&self) -> Closing {
        match self.stage {
            Stage::Greeting(_) => Closing::Refused("the handshake took too long".to_owned()),
            Stage::Open(_) => Closing::client_timeout(),
        }
    }

    /// It gave a sign of life.
    pub fn is_there(&mut self) {
        if self.is_open() {
            self.heard = Instant::now();
        }
    }

    /// Takes bytes of the client's and does what they ask, one after another. What it needs for that is large: box it
    /// where connections are mostly idle.
    pub async fn hear(&mut self, bytes: &[u8], carrier: &impl Carrier) -> Result<(), Closing> {
        self.is_there();
        let rest = match &mut self.stage {
            Stage::Greeting(greeting) => {
                greeting.extend_from_slice(bytes);
                match handshake::read(greeting).map_err(|error| Closing::Refused(error.to_string()))? {
                    None => return Ok(()),
                    Some((handshake, length)) => {
                        let rest = greeting.split_off(length);
                        self.welcome(handshake.encoding, carrier).await?;
                        rest
                    }
                }
            }
            Stage::Open(reader) => {
                reader.push(bytes);
                Vec::new()
            }
        };
        if !rest.is_empty()
            && let Stage::Open(reader) = &mut self.stage
        {
            reader.push(&rest);
        }
        while let Some(message) = self.next_message()? {
            if !self.allowance.take(Instant::now()) {
                return Err(Closing::Ended("too-many-messages"));
            }
            // One frame may ask for much, whoever reads nothing of it.
            if carrier.unread() >= MOST_UNREAD {
                return Err(EndReason::Slow.into());
            }
            self.take(message, carrier).await?;
        }
        Ok(())
    }

    fn next_message(&mut self) -> Result<Option<Message>, ProtocolError> {
        match &mut self.stage {
            Stage::Greeting(_) => Ok(None),
            Stage::Open(reader) => reader.next(),
        }
    }

    async fn welcome(&mut self, encoding: Encoding, carrier: &impl Carrier) -> Result<(), Closing> {
        if !carrier.speak(encoding) {
            let words = format!("{} is binary, and this transport carries text", encoding.as_str());
            return Err(Closing::Refused(words));
        }
        let dispatch = &self.caller.gate.dispatch;
        let subscribed = dispatch.subscribe(self.caller.listener.clone(), self.after.cursor()).await;
        let subscription = subscribed.map_err(|refusal| Closing::Refused(refusal.to_string()))?;
        carrier.answer(handshake::answer(None));
        carrier.tell(EventFeed::new(subscription, self.after != After::Unasked));
        self.stage = Stage::Open(Reader::new(encoding, largest_message(&self.pod)));
        self.heard = Instant::now();
        Ok(())
    }

    async fn take(&mut self, message: Message, carrier: &impl Carrier) -> Result<(), Closing> {
        match message {
            Message::Invocation { id, target, arguments, streams } => {
                let invoked = match streams.is_empty() {
                    true => methods::invoke(self, &target, arguments).await,
                    false => Invoked::error(format!("'{target}' takes no streams")),
                };
                if let Some(id) = id {
                    carrier.say(&completion(id, invoked.outcome));
                }
                // After its result, so that whoever waits for that knows what it is that comes.
                if let Some(telling) = invoked.telling {
                    carrier.tell(telling);
                }
                Ok(())
            }
            Message::StreamInvocation { id, target, .. } => {
                let words = match methods::is_known(&target) {
                    true => format!("'{target}' gives one result and no stream: invoke it"),
                    false => methods::unknown(&target),
                };
                carrier.say(&completion(id, Err(words)));
                Ok(())
            }
            Message::Close { .. } => Err(Closing::Left),
            // Nothing here streams, nothing asks clients for results, and stateful reconnect is never granted.
            Message::StreamItem { .. }
            | Message::Completion { .. }
            | Message::CancelInvocation { .. }
            | Message::Ping
            | Message::Ack { .. }
            | Message::Sequence { .. } => Ok(()),
        }
    }
}

fn completion(id: String, outcome: Result<Value, String>) -> Message {
    let outcome = outcome.map_or_else(Outcome::Error, Outcome::Result);
    Message::Completion { id, outcome }
}
