//! The hub over long polling. What a client is told waits here until it polls for it.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use signalr::{Encoding, Message};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    closing::Closing,
    held::{Asked, Holding, Polled},
    session::{After, Carrier, Session, conclude},
};
use crate::{
    dispatch::outbox::EndReason,
    pod::Pod,
    write::{
        buffer::WriteBuffer,
        clock::{Clock, Tick},
        feed::EventFeed,
        format::Format,
    },
};

/// Holds a client from its first request to its end.
pub(super) async fn hold(mut session: Session, clock: Clock, holding: Holding) {
    let config = session.pod.config();
    let mut polls = Polls {
        mail: Mail(Mutex::new(WriteBuffer::new(Format::HubJson))),
        now: None,
        has_polled: false,
        silent_from: Instant::now(),
        patience: config.client_timeout,
        longest: config.poll_timeout,
    };
    let mut holding = holding;
    let closing = talk(&mut polls, &mut session, clock, &mut holding).await;
    // Its seat and its part of the log are for others now.
    let pod = session.pod.clone();
    drop(session);
    polls.mail.tell_no_more();
    conclude(&closing, &polls.mail);
    if closing == Closing::Left {
        polls.over();
    } else if let Some(_one_of_few) = pod.home().may_linger() {
        last_words(&mut polls, &pod, &mut holding).await;
    }
    // Before somebody else could hold it: its token may still be new.
    pod.home().has_ended(holding.id(), pod.config().handshake_timeout.max(polls.patience));
}

async fn talk(polls: &mut Polls, session: &mut Session, mut clock: Clock, holding: &mut Holding) -> Closing {
    loop {
        let deadline = polls.deadline();
        tokio::select! {
            asked = holding.next() => match asked {
                Some(Asked::Post { bytes, expires, done }) => {
                    clock.prolong(expires);
                    let heard = session.hear(&bytes, &polls.mail).await;
                    // Whoever posted may have gone; it was taken all the same.
                    done.send(()).ok();
                    if let Err(closing) = heard {
                        return closing;
                    }
                }
                Some(Asked::Poll { expires, answer }) => {
                    clock.prolong(expires);
                    polls.begin(answer);
                }
                Some(Asked::Delete { done }) => {
                    done.send(()).ok();
                    return Closing::Left;
                }
                Some(Asked::Lost) => {
                    // Not told that it is over: then it would come back only if it were asked to.
                    polls.now = None;
                    return Closing::Left;
                }
                None => return Closing::Left,
            },
            served = polls.served() => {
                if let Err(end) = served {
                    return end.unwrap_or(EndReason::Draining).into();
                }
            }
            () = sleep_until(deadline) => {
                if !polls.give() {
                    return Closing::Left;
                }
            }
            tick = clock.tick() => match tick {
                Tick::Heartbeat if session.is_open() && session.after != After::Unasked => polls.beat().await,
                // Polls are signs of life in themselves, so nobody else needs one.
                Tick::Heartbeat => {}
                Tick::End(end) => return end.into(),
            },
            () = sleep_until(session.deadline()), if !session.is_open() => return session.late(),
        }
    }
}

/// Gives the client what it was told last, and then tells a poll that there is nothing more.
async fn last_words(polls: &mut Polls, pod: &Pod, holding: &mut Holding) {
    let until = Instant::now() + polls.patience;
    loop {
        if polls.mail.outgoing().unsent() > 0 {
            polls.give();
        } else if polls.now.is_some() || pod.draining().is_cancelled() {
            return polls.over();
        }
        match timeout_at(until, holding.next()).await {
            Ok(Some(Asked::Poll { answer, .. })) => polls.begin(answer),
            // Dropped, it is answered like any for a client that is gone.
            Ok(Some(Asked::Post { .. } | Asked::Lost)) => {}
            Ok(Some(Asked::Delete { done })) => {
                done.send(()).ok();
                return polls.over();
            }
            Ok(None) | Err(_) => return polls.over(),
        }
    }
}

/// A client's polls, of which one is answered at a time.
struct Polls {
    mail: Mail,
    now: Option<Open>,
    /// Whether the first, which is answered with nothing, has come.
    has_polled: bool,
    /// Since when there was none.
    silent_from: Instant,
    /// How long there may be none.
    patience: Duration,
    /// When one is answered with nothing.
    longest: Duration,
}

/// A poll that is not answered yet.
struct Open {
    answer: oneshot::Sender<Polled>,
    until: Instant,
}

impl Polls {
    /// A poll has come; an older one is over.
    fn begin(&mut self, answer: oneshot::Sender<Polled>) {
        self.over();
        if std::mem::replace(&mut self.has_polled, true) {
            self.now = Some(Open { answer, until: Instant::now() + self.longest });
        } else {
            // Clients take the first answer for a word that they may go on, and never look into it.
            let is_text = self.mail.is_text();
            answer.send(Polled::Messages { is_text, bytes: Bytes::new() }).ok();
            self.silent_from = Instant::now();
        }
    }

    /// Nothing comes of the poll that is open.
    fn over(&mut self) {
        if let Some(open) = self.now.take() {
            open.answer.send(Polled::Over).ok();
            self.silent_from = Instant::now();
        }
    }

    /// Answers the poll that is open with what waits, if only nothing; `false` if none is open.
    fn give(&mut self) -> bool {
        let Some(open) = self.now.take() else {
            return false;
        };
        self.silent_from = Instant::now();
        let is_text = self.mail.is_text();
        let mut outgoing = self.mail.outgoing();
        let frames = outgoing.take();
        if open.answer.send(Polled::Messages { is_text, bytes: joined(&frames) }).is_err() {
            // Whoever polled has gone, and the next poll gets it.
            frames.into_iter().for_each(|frame| outgoing.push(frame));
        }
        true
    }

    /// Waits until something comes for the poll that is open and answers it, or until it is gone. An error when the
    /// dispatcher has ended the client.
    async fn served(&mut self) -> Result<(), Option<EndReason>> {
        poll_fn(|cx| {
            let Some(open) = &mut self.now else {
                return Poll::Pending;
            };
            // Gone: what waits is kept.
            if open.answer.poll_closed(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut outgoing = self.mail.outgoing();
            match outgoing.poll_fill(cx) {
                Poll::Ready(end) => Poll::Ready(Err(end)),
                Poll::Pending if outgoing.unsent() > 0 => Poll::Ready(Ok(())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await?;
        self.give();
        Ok(())
    }

    /// When the open poll is answered with nothing, or when there was none for too long.
    fn deadline(&self) -> Instant {
        self.now.as_ref().map_or(self.silent_from + self.patience, |open| open.until)
    }

    /// Tells the client where it is, if it will hear of it before long.
    async fn beat(&mut self) {
        if self.now.is_none() && self.mail.outgoing().unsent() > 0 {
            return;
        }
        poll_fn(|cx| {
            self.mail.outgoing().heartbeat(&Context::from_waker(cx.waker()));
            Poll::Ready(())
        })
        .await;
    }
}

/// What waits for a client's polls.
struct Mail(Mutex<WriteBuffer>);

impl Mail {
    fn outgoing(&self) -> MutexGuard<'_, WriteBuffer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was said stays; what comes is for others to tell.
    fn tell_no_more(&self) {
        let mut outgoing = self.outgoing();
        let mut rest = WriteBuffer::new(outgoing.format());
        outgoing.take().into_iter().for_each(|frame| rest.push(frame));
        *outgoing = rest;
    }

    fn is_text(&self) -> bool {
        self.outgoing().format().encoding() != Some(Encoding::MessagePack)
    }
}

impl Carrier for Mail {
    fn speak(&self, encoding: Encoding) -> bool {
        let mut outgoing = self.outgoing();
        let format = outgoing.format().with(encoding);
        format.map(|format| outgoing.set_format(format)).is_some()
    }

    fn answer(&self, handshake: Vec<u8>) {
        self.outgoing().push(handshake.into());
    }

    fn say(&self, message: &Message) {
        let mut outgoing = self.outgoing();
        let frame = outgoing.format().message(message);
        outgoing.push(frame);
    }

    fn tell(&self, telling: EventFeed) {
        self.outgoing().set_feed(telling);
    }

    fn unread(&self) -> usize {
        self.outgoing().unsent()
    }
}

/// All frames as one; a frame alone is not copied.
fn joined(frames: &VecDeque<Bytes>) -> Bytes {
    match frames.len() {
        0 => Bytes::new(),
        1 => frames[0].clone(),
        _ => frames.iter().flat_map(|frame| frame.iter().copied()).collect(),
    }
}
