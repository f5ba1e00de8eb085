//! The hub over long polling: messages for a client wait in a buffer until it polls for them.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Mutex, MutexGuard},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use model::Cursor;
use signalr::{Encoding, Message};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    close_reason::CloseReason,
    registry::{ClientCommand, Lease},
    request::{Operation, Reply},
    session::{Renewal, Session},
    transport::{Transport, send_close, send_reason},
};
use crate::{
    dispatch::outbox::EndReason,
    lock::lock,
    pod::Pod,
    token::Claims,
    write::{
        format::Format,
        timer::Tick,
        {buffer::WriteBuffer, feed::EventFeed},
    },
};

/// Serves a client from its first request to its end.
pub(super) async fn run(mut session: Session, mut lease: Lease) {
    let config = &session.pod.config;
    let mut polls = Polls {
        buffer: Buffer(Mutex::new(WriteBuffer::new(Format::HubJson))),
        open: None,
        has_polled: false,
        idle_since: Instant::now(),
        client_timeout: config.client_timeout,
        poll_timeout: config.poll_timeout,
    };
    let reason = serve(&mut polls, &mut session, &mut lease).await;
    // As long as it waits for a last poll it counts as a connection of its user.
    let (pod, claims, _permit) = session.into_parts();
    drop(polls.buffer.outgoing().take_feed());
    send_close(&reason, &polls.buffer);
    if reason == CloseReason::ClientLeft {
        polls.close_open();
    } else {
        drain_ended_client(&mut polls, &pod, &mut lease, &claims, &reason).await;
    }
    // Before the lease ends: the client's token may still be new.
    pod.poll_sessions.mark_ended(lease.id(), pod.config.handshake_timeout.max(polls.client_timeout));
}

async fn serve(polls: &mut Polls, session: &mut Session, lease: &mut Lease) -> CloseReason {
    loop {
        let (deadline, silent_until) = (polls.deadline(), session.deadline());
        tokio::select! {
            command = lease.next() => match command {
                Some(ClientCommand::Request { operation: Operation::Delete, reply, .. }) => {
                    reply.send(Reply::Done).ok();
                    return CloseReason::ClientLeft;
                }
                Some(ClientCommand::Request { operation: Operation::Refresh, claims, reply }) => {
                    let loses_groups = !claims.has_groups_of(&session.caller.claims);
                    match session.refresh(&claims, &polls.buffer).await {
                        Ok(refreshed) => drop(reply.send(refreshed.into())),
                        Err(reason) => {
                            if loses_groups {
                                polls.forget_messages();
                            }
                            return reason;
                        }
                    }
                }
                Some(ClientCommand::Request { operation, claims, reply }) => match session.renew(&claims) {
                    Renewal::SameRights => match operation {
                        Operation::Post(bytes) => {
                            let received = session.receive(&bytes, &polls.buffer).await;
                            // The client may be gone; its messages were handled all the same.
                            reply.send(Reply::Done).ok();
                            if let Err(reason) = received {
                                return reason;
                            }
                        }
                        Operation::Poll | Operation::Delete | Operation::Refresh => polls.begin(reply),
                    },
                    Renewal::Outdated => drop(reply.send(Reply::Outdated)),
                    Renewal::OtherRights => {
                        if !claims.has_groups_of(&session.caller.claims) {
                            polls.forget_messages();
                        }
                        // A poll is answered with the end; what was posted was not done, and its reply is dropped.
                        if matches!(operation, Operation::Poll) {
                            polls.begin(reply);
                        }
                        return CloseReason::RIGHTS_CHANGED;
                    }
                },
                Some(ClientCommand::Abort) => {
                    // No 204, after which a client reconnects only if it is asked to.
                    polls.open = None;
                    return CloseReason::ClientLeft;
                }
                None => return CloseReason::ClientLeft,
            },
            answered = polls.answer_when_filled() => {
                if let Err(end) = answered {
                    return end.unwrap_or(EndReason::Draining).into();
                }
            }
            () = sleep_until(deadline) => {
                if !polls.answer() {
                    return CloseReason::ClientLeft;
                }
            }
            tick = session.timer.tick() => match tick {
                Tick::Heartbeat if session.is_open() && session.sends_cursors() => polls.heartbeat().await,
                // Polls are signs of life in themselves, so no other client needs one.
                Tick::Heartbeat => {}
                Tick::End(end) => return end.into(),
            },
            () = sleep_until(silent_until), if !session.is_open() => return session.timed_out(),
        }
    }
}

/// Gives an ended client what is left in the buffer, and then answers a poll with the end. What is left was meant for the
/// groups in `claims`, so that a poll without them gets the reason of the end alone.
async fn drain_ended_client(polls: &mut Polls, pod: &Pod, lease: &mut Lease, claims: &Claims, reason: &CloseReason) {
    let until = Instant::now() + polls.client_timeout;
    loop {
        if polls.buffer.outgoing().unsent() > 0 {
            polls.answer();
        } else if polls.open.is_some() || pod.draining.is_cancelled() {
            return polls.close_open();
        }
        match timeout_at(until, lease.next()).await {
            Ok(Some(ClientCommand::Request { operation: Operation::Poll, claims: newer, reply })) => {
                if !newer.has_groups_of(claims) && polls.buffer.outgoing().unsent() > 0 {
                    polls.forget_messages();
                    send_reason(reason, &polls.buffer);
                }
                polls.begin(reply);
            }
            // Its reply is dropped, as for any client that is gone.
            Ok(Some(
                ClientCommand::Request { operation: Operation::Post(_) | Operation::Refresh, .. }
                | ClientCommand::Abort,
            )) => {}
            Ok(Some(ClientCommand::Request { operation: Operation::Delete, reply, .. })) => {
                reply.send(Reply::Done).ok();
                return polls.close_open();
            }
            Ok(None) | Err(_) => return polls.close_open(),
        }
    }
}

/// A client's polls, of which one is open at a time.
struct Polls {
    buffer: Buffer,
    open: Option<OpenPoll>,
    /// The first has come, which is answered with nothing.
    has_polled: bool,
    /// No poll has been open since then.
    idle_since: Instant,
    /// The longest time without an open poll.
    client_timeout: Duration,
    /// The time after which a poll is answered with nothing.
    poll_timeout: Duration,
}

/// A poll that is not answered yet.
struct OpenPoll {
    reply: oneshot::Sender<Reply>,
    until: Instant,
}

impl Polls {
    /// Opens a poll and closes an older one.
    fn begin(&mut self, reply: oneshot::Sender<Reply>) {
        self.close_open();
        if std::mem::replace(&mut self.has_polled, true) {
            self.open = Some(OpenPoll { reply, until: Instant::now() + self.poll_timeout });
        } else {
            // Clients take the first answer as leave to go on, and never read its body.
            let is_text = self.buffer.is_text();
            reply.send(Reply::Messages { is_text, bytes: Bytes::new() }).ok();
            self.idle_since = Instant::now();
        }
    }

    /// Drops the messages that the client has not polled for.
    fn forget_messages(&mut self) {
        self.buffer.outgoing().take();
    }

    /// Answers the open poll with the news that it is over.
    fn close_open(&mut self) {
        if let Some(open) = self.open.take() {
            open.reply.send(Reply::Over).ok();
            self.idle_since = Instant::now();
        }
    }

    /// Answers the open poll with all that waits, even if that is nothing; `false` if none is open.
    fn answer(&mut self) -> bool {
        let Some(open) = self.open.take() else {
            return false;
        };
        self.idle_since = Instant::now();
        let is_text = self.buffer.is_text();
        let mut outgoing = self.buffer.outgoing();
        let frames = outgoing.take();
        if open.reply.send(Reply::Messages { is_text, bytes: joined(&frames) }).is_err() {
            // The client has left this poll, and gets it from the next.
            frames.into_iter().for_each(|frame| outgoing.push(frame));
        }
        true
    }

    /// Waits until there is something for the open poll and answers it, or until its client has left it. An error when
    /// the dispatcher has ended the client.
    async fn answer_when_filled(&mut self) -> Result<(), Option<EndReason>> {
        poll_fn(|cx| {
            let Some(open) = &mut self.open else {
                return Poll::Pending;
            };
            // Left: what waits is kept.
            if open.reply.poll_closed(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut outgoing = self.buffer.outgoing();
            match outgoing.poll_fill(cx) {
                Poll::Ready(end) => Poll::Ready(Err(end)),
                Poll::Pending if outgoing.unsent() > 0 => Poll::Ready(Ok(())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await?;
        self.answer();
        Ok(())
    }

    /// The time at which the open poll is answered with nothing, or at which none was open for too long.
    fn deadline(&self) -> Instant {
        self.open.as_ref().map_or(self.idle_since + self.client_timeout, |open| open.until)
    }

    /// Sends the client its cursor, unless messages wait that it does not poll for.
    async fn heartbeat(&mut self) {
        if self.open.is_none() && self.buffer.outgoing().unsent() > 0 {
            return;
        }
        poll_fn(|cx| {
            self.buffer.outgoing().heartbeat(&Context::from_waker(cx.waker()));
            Poll::Ready(())
        })
        .await;
    }
}

/// The messages that wait for a client's polls.
struct Buffer(Mutex<WriteBuffer>);

impl Buffer {
    fn outgoing(&self) -> MutexGuard<'_, WriteBuffer> {
        lock(&self.0)
    }

    fn is_text(&self) -> bool {
        self.outgoing().format.encoding() != Some(Encoding::MessagePack)
    }
}

impl Transport for Buffer {
    fn set_encoding(&self, encoding: Encoding) -> bool {
        let mut outgoing = self.outgoing();
        let format = outgoing.format.with(encoding);
        format.map(|format| outgoing.format = format).is_some()
    }

    fn send_handshake(&self, answer: Vec<u8>) {
        self.outgoing().push(answer.into());
    }

    fn send(&self, message: &Message) {
        let mut outgoing = self.outgoing();
        let frame = outgoing.format.message(message);
        outgoing.push(frame);
    }

    fn set_feed(&self, feed: EventFeed) {
        self.outgoing().set_feed(feed);
    }

    fn detach_feed(&self) -> Option<Cursor> {
        let (feed, cursor) = self.outgoing().detach_feed()?;
        // Outside of the lock: it unsubscribes.
        drop(feed);
        cursor
    }

    fn unsent_bytes(&self) -> usize {
        self.outgoing().unsent()
    }

    fn is_gone(&self) -> bool {
        false
    }
}

/// All frames as one; a single frame is not copied.
fn joined(frames: &VecDeque<Bytes>) -> Bytes {
    match frames.len() {
        0 => Bytes::new(),
        1 => frames[0].clone(),
        _ => frames.iter().flat_map(|frame| frame.iter().copied()).collect(),
    }
}
