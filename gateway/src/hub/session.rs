//! The session of one client, from its handshake to its end, over any transport.

use std::time::Duration;

use model::{Cursor, cursor::CursorError};
use serde_json::{Value, json};
use signalr::{Encoding, Message, Outcome, Reader, handshake};
use tokio::time::Instant;

use super::{close_reason::CloseReason, methods, request::Reply, transport::Transport};
use crate::{
    api::problem::Problem,
    caller::Caller,
    dispatch::outbox::EndReason,
    pod::Pod,
    rate_limit::RateLimit,
    renewal::subscribe_anew,
    token::{Claims, TokenError},
    user_permits::UserPermit,
    write::{feed::EventFeed, timer::ConnectionTimer},
};

/// Bytes of answers that a client may leave unread before it is ended.
const MAX_UNREAD: usize = 1 << 20;

/// The burst of messages, as the time in which the rate gives as many.
const BURST_TIME: Duration = Duration::from_secs(10);
/// The cost of a replay in messages, in which nothing is read.
const REPLAY_COST: u32 = 10;
/// Entries of the window that are read for the price of a message.
const ENTRIES_PER_MESSAGE: u64 = 100;
/// The most that a replay costs, in seconds of the rate.
const MAX_REPLAY_COST: u32 = 3;

/// The parameter `after`: where a client's events begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartPosition {
    /// It is missing: events from now on, and never a cursor.
    Unset,
    /// Events from now on.
    Now,
    /// Events after this cursor.
    Cursor(Cursor),
}

impl StartPosition {
    /// Reads the parameter; the error is for the client.
    pub(super) fn read(text: Option<&str>) -> Result<Self, String> {
        match text {
            None => Ok(Self::Unset),
            Some("" | "now") => Ok(Self::Now),
            Some(text) => {
                text.parse().map(Self::Cursor).map_err(|error: CursorError| format!("after: {error}, or `now`"))
            }
        }
    }

    fn cursor(self) -> Option<Cursor> {
        match self {
            Self::Cursor(cursor) => Some(cursor),
            Self::Unset | Self::Now => None,
        }
    }
}

/// The meaning of a later request's access token for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewal {
    /// It gives the rights that the session has.
    SameRights,
    /// It gives others, so the session must end before anything is done for the request. The client begins again with it.
    OtherRights,
    /// It gives others and is older than one that the session has had: the request is refused, and nothing changes.
    Outdated,
}

/// Why a session keeps the token that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RefreshRefused {
    /// The other is another person's.
    #[error("sub: the token is another person's; connect anew with it")]
    AnotherUser,
    /// The other is older, and gives other rights.
    #[error("token-outdated: {}", TokenError::Outdated)]
    Outdated,
}

impl From<Result<(), RefreshRefused>> for Reply {
    fn from(refreshed: Result<(), RefreshRefused>) -> Self {
        match refreshed {
            Ok(()) => Self::Done,
            Err(RefreshRefused::Outdated) => Self::Outdated,
            Err(RefreshRefused::AnotherUser) => Self::Gone,
        }
    }
}

/// Most bytes of a client's message.
pub(super) fn largest_message(pod: &Pod) -> usize {
    usize::try_from(pod.config.largest_message).unwrap_or(usize::MAX)
}

/// One client.
pub(super) struct Session {
    pub(super) pod: Pod,
    pub(super) caller: Caller,
    after: StartPosition,
    state: State,
    last_received: Instant,
    rate_limit: RateLimit,
    pub(super) timer: ConnectionTimer,
    permit: UserPermit,
}

enum State {
    /// The bytes of the handshake so far.
    Handshake(Vec<u8>),
    Open(Reader),
}

impl Session {
    /// A session that waits for its handshake; a problem if this pod has no room for it.
    pub(super) fn new(pod: &Pod, caller: Caller, after: StartPosition) -> Result<Self, Problem> {
        let now = Instant::now();
        Ok(Self {
            permit: caller.connection_permit(pod)?,
            timer: ConnectionTimer::new(pod, &caller.environment, caller.claims.expires()),
            pod: pod.clone(),
            caller,
            after,
            state: State::Handshake(Vec::new()),
            last_received: now,
            rate_limit: RateLimit::new(pod.config.messages, BURST_TIME, now),
        })
    }

    /// What is left of it when its client is no longer subscribed: the claims of its token, and its permit.
    pub(super) fn into_parts(self) -> (Pod, Claims, UserPermit) {
        (self.pod, self.caller.claims, self.permit)
    }

    /// Returns true once the handshake is done.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Returns true if the client gets cursors and gaps: without `after` it would log a warning for each.
    pub(super) fn sends_cursors(&self) -> bool {
        self.after != StartPosition::Unset
    }

    /// The time by which the client must send something; before the handshake, by which that must be done.
    pub(super) fn deadline(&self) -> Instant {
        self.last_received + self.timeout()
    }

    fn timeout(&self) -> Duration {
        match self.state {
            State::Handshake(_) => self.pod.config.handshake_timeout,
            State::Open(_) => self.pod.config.client_timeout,
        }
    }

    /// The reason when its deadline has passed.
    pub(super) fn timed_out(&self) -> CloseReason {
        match self.state {
            State::Handshake(_) => CloseReason::HandshakeRefused("the handshake took too long".to_owned()),
            State::Open(_) => CloseReason::Ended("client-timeout"),
        }
    }

    /// Compares the access token of a later request. A session has one set of rights from its subscription to its end.
    /// Of several tokens that give it, the longest-lived one counts.
    pub(super) fn renew(&mut self, claims: &Claims) -> Renewal {
        let own = &mut self.caller.claims;
        if own.has_rights_of(claims) {
            own.iat = own.iat.max(claims.iat);
            self.timer.extend_expiry(claims.expires());
            return Renewal::SameRights;
        }
        if claims.is_older_than(own) {
            return Renewal::Outdated;
        }
        if self.is_open() {
            return Renewal::OtherRights;
        }
        // Nothing was done for the client yet.
        self.caller = Caller::from_claims(self.caller.environment.clone(), claims.clone());
        self.timer.set_expiry(claims.expires());
        Renewal::SameRights
    }

    /// Takes the place of the session's token by another of the same person, whose rights count from here on. The inner
    /// error is for the client and changes nothing; the outer one is the end, after which the client comes back with it.
    pub(super) async fn refresh(
        &mut self,
        claims: &Claims,
        transport: &impl Transport,
    ) -> Result<Result<(), RefreshRefused>, CloseReason> {
        let own = &self.caller.claims;
        if (&claims.sub, &claims.env) != (&own.sub, &own.env) {
            return Ok(Err(RefreshRefused::AnotherUser));
        }
        match self.renew(claims) {
            Renewal::SameRights => Ok(Ok(())),
            Renewal::Outdated => Ok(Err(RefreshRefused::Outdated)),
            Renewal::OtherRights => self.change_rights(claims, transport).await.map(Ok),
        }
    }

    async fn change_rights(&mut self, claims: &Claims, transport: &impl Transport) -> Result<(), CloseReason> {
        let caller = Caller::from_claims(self.caller.environment.clone(), claims.clone());
        let (had, recipient) = (&self.caller.recipient, caller.recipient.clone());
        subscribe_anew(&caller.environment.dispatch, had, recipient, self.sends_cursors(), transport)
            .await
            .ok_or(CloseReason::RIGHTS_CHANGED)?;
        self.timer.set_expiry(claims.expires());
        self.caller = caller;
        self.rate_limit.charge(Instant::now(), REPLAY_COST);
        Ok(())
    }

    /// The method `Refresh`: the token is an argument, for clients that cannot send it over HTTP.
    async fn invoke_refresh(
        &mut self,
        arguments: &[Value],
        transport: &impl Transport,
    ) -> Result<Result<Value, String>, CloseReason> {
        let [Value::String(token)] = arguments else {
            return Ok(Err("Refresh takes an access token, a string".to_owned()));
        };
        let environment = self.caller.environment.clone();
        let claims = match environment.key.verify(token, &environment.name) {
            Ok(claims) => claims,
            Err(error) => {
                self.pod.refusals.refused(Some(environment.name.as_str()), &error);
                return Ok(Err(Problem::from(error).to_string()));
            }
        };
        let refreshed = self.refresh(&claims, transport).await?;
        Ok(refreshed
            .map(|()| json!({ "tokenLifetimeSeconds": claims.lifetime_seconds() }))
            .map_err(|refused| refused.to_string()))
    }

    /// Notes a sign of life from the client.
    pub(super) fn keep_alive(&mut self) {
        if self.is_open() {
            self.last_received = Instant::now();
        }
    }

    /// Takes bytes of the client and handles their messages, one after another. The future is large: box it where
    /// connections are mostly idle.
    pub(super) async fn receive(&mut self, bytes: &[u8], transport: &impl Transport) -> Result<(), CloseReason> {
        self.keep_alive();
        match &mut self.state {
            State::Handshake(received) => {
                received.extend_from_slice(bytes);
                let read = handshake::read(received);
                if let Some((handshake, length)) =
                    read.map_err(|error| CloseReason::HandshakeRefused(error.to_string()))?
                {
                    let rest = received.split_off(length);
                    self.open(handshake.encoding, &rest, transport).await?;
                }
            }
            State::Open(reader) => reader.push(bytes),
        }
        let mut has_message = false;
        while let Some(message) = self.next_message()? {
            has_message = true;
            if self.timer.has_expired() {
                return Err(EndReason::Expired.into());
            }
            self.take(1)?;
            // One frame may ask for many answers that the client never reads.
            if transport.unsent_bytes() >= MAX_UNREAD {
                return Err(EndReason::Slow.into());
            }
            self.handle(message, transport).await?;
        }
        // Empty frames, and messages in small parts.
        if has_message { Ok(()) } else { self.take(1) }
    }

    /// Takes so many messages from what the client may send; an error when that is too much.
    pub(super) fn take(&mut self, messages: u32) -> Result<(), CloseReason> {
        match self.rate_limit.take(Instant::now(), messages) {
            true => Ok(()),
            false => Err(CloseReason::Ended("too-many-messages")),
        }
    }

    /// The cost of reading so many entries of the window, in messages.
    fn cost_of_replay(&self, entries: u64) -> u32 {
        let most = MAX_REPLAY_COST.saturating_mul(self.pod.config.messages.get());
        u32::try_from(entries / ENTRIES_PER_MESSAGE).unwrap_or(u32::MAX).saturating_add(REPLAY_COST).min(most)
    }

    fn next_message(&mut self) -> Result<Option<Message>, CloseReason> {
        let State::Open(reader) = &mut self.state else {
            return Ok(None);
        };
        let next = reader.next();
        let ignored = reader.take_ignored();
        self.take(u32::try_from(ignored).unwrap_or(u32::MAX))?;
        Ok(next?)
    }

    async fn open(&mut self, encoding: Encoding, rest: &[u8], transport: &impl Transport) -> Result<(), CloseReason> {
        if !transport.set_encoding(encoding) {
            let error = format!("{} is binary, and this transport carries text", encoding.as_str());
            return Err(CloseReason::HandshakeRefused(error));
        }
        let dispatch = &self.caller.environment.dispatch;
        let subscribed = dispatch.subscribe(self.caller.recipient.clone(), self.after.cursor()).await;
        let subscription = subscribed.map_err(|refusal| CloseReason::HandshakeRefused(refusal.to_string()))?;
        transport.send_handshake(handshake::response(None));
        transport.set_feed(EventFeed::new(subscription, self.sends_cursors()));
        let mut reader = Reader::new(encoding, largest_message(&self.pod));
        reader.push(rest);
        self.state = State::Open(reader);
        self.last_received = Instant::now();
        Ok(())
    }

    async fn handle(&mut self, message: Message, transport: &impl Transport) -> Result<(), CloseReason> {
        match message {
            // Nobody is there to get what it reads.
            Message::Invocation { target, .. } if methods::only_reads(&target) && transport.is_gone() => Ok(()),
            Message::Invocation { id, target, arguments, streams }
                if methods::is_refresh(&target) && streams.is_empty() =>
            {
                let result = self.invoke_refresh(&arguments, transport).await?;
                id.into_iter().for_each(|id| transport.send(&completion(id, result.clone())));
                Ok(())
            }
            Message::Invocation { id, target, arguments, streams } => {
                let invoked = match streams.is_empty() {
                    true => methods::invoke(&self.pod, &self.caller, self.sends_cursors(), &target, arguments).await,
                    false => Err(format!("'{target}' takes no streams")),
                };
                let (result, feed) = invoked.map_or_else(|error| (Err(error), None), |(value, feed)| (Ok(value), feed));
                if let Some(id) = id {
                    transport.send(&completion(id, result));
                }
                // After its result, so that the client knows what the events that follow belong to.
                if let Some((feed, entries)) = feed {
                    self.rate_limit.charge(Instant::now(), self.cost_of_replay(entries));
                    transport.set_feed(feed);
                }
                Ok(())
            }
            Message::StreamInvocation { id, target, .. } => {
                let error = match methods::is_known(&target) {
                    true => format!("'{target}' gives one result and no stream: invoke it"),
                    false => methods::unknown(&target),
                };
                transport.send(&completion(id, Err(error)));
                Ok(())
            }
            Message::Close { .. } => Err(CloseReason::ClientLeft),
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

fn completion(id: String, result: Result<Value, String>) -> Message {
    let outcome = result.map_or_else(Outcome::Error, Outcome::Result);
    Message::Completion { id, outcome }
}
