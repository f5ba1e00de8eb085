//! What goes out on one connection, in order: what is said to the client, and the events it is told.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use jiff::Timestamp;
use model::Cursor;
use signalr::Message;

use crate::{
    connection::format::Format,
    dispatch::{
        Subscription,
        delivered::Delivered,
        outbox::{End, GapReason, Parcel},
    },
};

/// Most bytes that are taken from the outbox before some are sent.
const AHEAD: usize = 32 * 1024;

/// Frames whose memory is kept.
const KEPT: usize = 4;

/// Bytes that are not sent yet, and where more come from.
#[derive(Debug)]
pub struct Outgoing {
    format: Format,
    frames: VecDeque<Bytes>,
    bytes: usize,
    telling: Option<Box<Telling>>,
}

/// A connection's part of the log, on its way to the client.
#[derive(Debug)]
pub struct Telling {
    subscription: Subscription,
    /// Whether the client is told its cursor and gaps.
    tells_place: bool,
    /// What is replayed and not yet taken.
    replay: VecDeque<Arc<Delivered>>,
    /// The client's cursor, once all that was taken is sent.
    written: Cursor,
    /// Whether what was is joined to what comes: then the dispatcher's place is the client's.
    joined: bool,
    /// After a gap the client's cursor is worth nothing: the next place stands, even a lower one.
    rebased: bool,
    /// The place that a replay leads to is told as soon as all is taken.
    place_is_due: bool,
}

impl Telling {
    /// Begins at the subscription's start; whoever asked is told cursors and gaps.
    pub fn new(subscription: Subscription, tells_place: bool) -> Self {
        Self {
            written: subscription.start,
            subscription,
            tells_place,
            replay: VecDeque::new(),
            joined: false,
            rebased: false,
            place_is_due: false,
        }
    }

    /// Waits for the replay that comes before all: whether it begins with a gap.
    pub async fn begun(&mut self) -> Result<Option<GapReason>, Option<End>> {
        match std::future::poll_fn(|cx| self.subscription.outbox.poll_next(cx)).await {
            Some(Parcel::Replay { gap, events }) => {
                self.replay(gap, events);
                Ok(gap)
            }
            // It is always the first; what is not would be a fault of the dispatcher's.
            Some(_) => Ok(None),
            None => Err(self.subscription.outbox.end()),
        }
    }

    fn replay(&mut self, gap: Option<GapReason>, events: Vec<Arc<Delivered>>) {
        self.joined = true;
        self.rebased |= gap.is_some();
        self.place_is_due = gap.is_some() || !events.is_empty();
        self.replay = events.into();
    }
}

/// What a look into the outbox came to.
enum Taken {
    /// All of it was taken.
    Nothing,
    /// There is more than may wait here.
    Enough,
    /// The connection must end.
    Ended(Option<End>),
}

impl Outgoing {
    /// Nothing yet, in this format.
    pub fn new(format: Format) -> Self {
        Self { format, frames: VecDeque::new(), bytes: 0, telling: None }
    }

    /// How it is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// From here on it is written so.
    pub fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// Bytes that wait to be sent.
    pub fn waiting(&self) -> usize {
        self.bytes
    }

    /// The frames that wait.
    pub fn frames(&self) -> impl Iterator<Item = &Bytes> {
        self.frames.iter()
    }

    /// All frames that wait, taken.
    pub fn take(&mut self) -> VecDeque<Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.frames)
    }

    /// These many bytes were sent.
    pub fn sent(&mut self, mut sent: usize) {
        self.bytes -= sent.min(self.bytes);
        while sent > 0
            && let Some(frame) = self.frames.front_mut()
        {
            if frame.len() > sent {
                bytes::Buf::advance(frame, sent);
                return;
            }
            sent -= frame.len();
            self.frames.pop_front();
        }
        // A burst's memory is not kept by thousands who are idle again.
        if self.frames.is_empty() && self.frames.capacity() > KEPT {
            self.frames.shrink_to(KEPT);
        }
    }

    /// Says something, after all that was said before.
    pub fn say(&mut self, frame: Bytes) {
        if !frame.is_empty() {
            self.bytes += frame.len();
            self.frames.push_back(frame);
        }
    }

    /// From here on this is told; what was told before and is not yet taken is dropped.
    pub fn tell(&mut self, telling: Telling) {
        let (tells_place, written) = (telling.tells_place, telling.written);
        self.telling = Some(Box::new(telling));
        if tells_place {
            self.say(self.format.cursor(written));
        }
    }

    /// Takes what waits in the outbox, up to what may wait here. Ready when the connection must end, after what
    /// waits is sent; pending otherwise, and the waker is woken when more can be taken.
    pub fn poll_fill(&mut self, cx: &Context<'_>) -> Poll<Option<End>> {
        match self.fill(cx) {
            Taken::Ended(end) => Poll::Ready(end),
            Taken::Nothing if self.telling.as_ref().is_some_and(|telling| telling.place_is_due) => {
                self.beat(cx);
                Poll::Pending
            }
            Taken::Nothing | Taken::Enough => Poll::Pending,
        }
    }

    /// The client's cursor where it asked for it, else a sign of life: after all that waits.
    pub fn beat(&mut self, cx: &Context<'_>) {
        // First the place, then all that was put into the outbox before the place was moved there.
        let place = self.telling.as_ref().and_then(|telling| *telling.subscription.last.borrow());
        let is_drained = matches!(self.fill(cx), Taken::Nothing);
        match &mut self.telling {
            Some(telling) if telling.tells_place => {
                telling.place_is_due &= !is_drained;
                // A slow connection was refused something that lies before the place.
                let is_complete = telling.joined && is_drained && telling.subscription.outbox.end().is_none();
                let place =
                    place.filter(|place| is_complete && (telling.rebased || place.offset > telling.written.offset));
                if let Some(place) = place {
                    telling.written = place;
                    telling.rebased = false;
                }
                let cursor = self.format.cursor(telling.written);
                self.say(cursor);
            }
            telling => {
                telling.iter_mut().for_each(|telling| telling.place_is_due = false);
                self.say(self.format.message(&Message::Ping));
            }
        }
    }

    fn fill(&mut self, cx: &Context<'_>) -> Taken {
        let Some(telling) = &mut self.telling else {
            return Taken::Nothing;
        };
        let (format, frames, bytes) = (self.format, &mut self.frames, &mut self.bytes);
        let mut push = |frame: Bytes| {
            *bytes += frame.len();
            frames.push_back(frame);
            *bytes < AHEAD
        };
        loop {
            while let Some(delivered) = telling.replay.pop_front() {
                if let Some(frame) = telling.event(format, &delivered)
                    && !push(frame)
                {
                    return Taken::Enough;
                }
            }
            let may_go_on = match telling.subscription.outbox.poll_next(cx) {
                Poll::Pending => return Taken::Nothing,
                Poll::Ready(None) => return Taken::Ended(telling.subscription.outbox.end()),
                Poll::Ready(Some(Parcel::Event(delivered))) => telling.event(format, &delivered).is_none_or(&mut push),
                Poll::Ready(Some(Parcel::Gap(reason))) => telling.gap(format, reason).is_none_or(&mut push),
                Poll::Ready(Some(Parcel::Replay { gap, events })) => {
                    telling.replay(gap, events);
                    gap.and_then(|reason| telling.gap(format, reason)).is_none_or(&mut push)
                }
            };
            if !may_go_on {
                return Taken::Enough;
            }
        }
    }
}

impl Telling {
    fn event(&mut self, format: Format, delivered: &Delivered) -> Option<Bytes> {
        self.written = delivered.cursor;
        self.rebased = false;
        // Few can expire, and the clock is not looked at for the others.
        let has_expired = delivered.expires.is_some() && delivered.has_expired(Timestamp::now());
        (!has_expired).then(|| format.event(delivered))
    }

    fn gap(&mut self, format: Format, reason: GapReason) -> Option<Bytes> {
        self.rebased = true;
        self.tells_place.then(|| format.gap(reason))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use model::{Audience, Event};
    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::dispatch::{Leaving, outbox::outbox};

    fn delivered(offset: u64) -> Arc<Delivered> {
        let mut event = Event::new("/t", "t", Audience::user("ada"));
        event.id = offset.to_string();
        event.data = Some(serde_json::Value::String("x".repeat(1000)));
        Delivered::stamp(Arc::new(event), &"test".parse().unwrap(), cursor(offset)).unwrap()
    }

    fn cursor(offset: u64) -> Cursor {
        Cursor { offset, fingerprint: 7 }
    }

    fn text(frames: VecDeque<Bytes>) -> String {
        frames.iter().map(|frame| String::from_utf8_lossy(frame)).collect()
    }

    #[test]
    fn a_place_is_told_only_once_all_before_it_is_on_its_way() {
        let (sender, outbox) = outbox(1000);
        let last = watch::Sender::new(Some(cursor(100)));
        let leaving = Leaving { id: 1, commands: mpsc::channel(1).0 };
        let subscription = Subscription { start: cursor(0), outbox, last: last.subscribe(), _leaving: leaving };
        assert!(sender.put(Parcel::Replay { gap: None, events: Vec::new() }));
        (1..=100).for_each(|offset| assert!(sender.put(Parcel::Event(delivered(offset)))));
        let cx = Context::from_waker(Waker::noop());
        let mut outgoing = Outgoing::new(Format::Plain);
        outgoing.tell(Telling::new(subscription, true));
        outgoing.beat(&cx);
        let told = text(outgoing.take());
        let place = told.rsplit("id: ").next().unwrap().trim().parse::<Cursor>().unwrap();
        assert!(
            place.offset < 100 && told.matches("data:").count() == usize::try_from(place.offset).unwrap(),
            "{place}"
        );
        let mut told = 0;
        while told < 100 - place.offset {
            assert!(outgoing.poll_fill(&cx).is_pending());
            told += text(outgoing.take()).matches("data:").count() as u64;
        }
        outgoing.beat(&cx);
        assert_eq!(text(outgoing.take()), format!("id: {}\n\n", cursor(100)));
    }

    #[test]
    fn what_was_sent_in_part_goes_on_where_it_stopped() {
        let mut outgoing = Outgoing::new(Format::HubJson);
        ["one", "two", "three"].into_iter().for_each(|frame| outgoing.say(Bytes::from(frame)));
        outgoing.sent(4);
        assert_eq!((outgoing.waiting(), text(outgoing.take())), (7, "wothree".to_owned()));
    }
}
