//! The frames of one connection that are not sent yet, in order: messages, and the events of its feed.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use model::Cursor;
use signalr::Message;

use super::{feed::EventFeed, format::Format};
use crate::dispatch::outbox::EndReason;

/// The number of bytes that are taken from the feed before some are sent.
const MAX_AHEAD: usize = 32 * 1024;
/// Frames whose memory is kept.
const KEPT_CAPACITY: usize = 4;
/// Of so many signs of life one is an event, by which every client of server-sent events keeps the cursor.
const BEATS_PER_EVENT: u8 = 20;

/// Frames in one format, and the feed that more come from.
#[derive(Debug)]
pub struct WriteBuffer {
    /// The format that it is filled in.
    pub format: Format,
    pub(super) frames: VecDeque<Bytes>,
    bytes: usize,
    feed: Option<Box<EventFeed>>,
    beats: u8,
}

/// The result of taking frames from the feed.
enum Fill {
    /// The feed has no more for now.
    Empty,
    /// The feed may have more, and the buffer holds enough.
    Enough,
    /// The subscription has ended.
    Ended(Option<EndReason>),
}

impl WriteBuffer {
    /// An empty buffer in this format.
    pub fn new(format: Format) -> Self {
        Self { format, frames: VecDeque::new(), bytes: 0, feed: None, beats: 0 }
    }

    /// The number of bytes that are not sent yet.
    pub fn unsent(&self) -> usize {
        self.bytes
    }

    /// Takes all frames out.
    pub fn take(&mut self) -> VecDeque<Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.frames)
    }

    /// Removes this many bytes, which were sent.
    pub fn advance(&mut self, mut sent: usize) {
        self.bytes -= sent.min(self.bytes);
        while sent > 0
            && let Some(frame) = self.frames.front_mut()
        {
            if frame.len() > sent {
                return frame.advance(sent);
            }
            sent -= frame.len();
            self.frames.pop_front();
        }
        // A burst's memory is not kept by thousands of connections that are idle again.
        if self.frames.is_empty() && self.frames.capacity() > KEPT_CAPACITY {
            self.frames.shrink_to(KEPT_CAPACITY);
        }
    }

    /// Appends a frame.
    pub fn push(&mut self, frame: Bytes) {
        if !frame.is_empty() {
            self.bytes += frame.len();
            self.frames.push_back(frame);
        }
    }

    /// Fills from this feed from now on; what an earlier one still had is dropped.
    pub fn set_feed(&mut self, feed: EventFeed) {
        let start = feed.start_cursor();
        self.feed = Some(Box::new(feed));
        if let Some(cursor) = start {
            self.push(self.format.cursor(cursor));
        }
    }

    /// Takes the feed out; the frames that were taken from it stay.
    pub fn take_feed(&mut self) -> Option<Box<EventFeed>> {
        self.feed.take()
    }

    /// Takes the feed out after everything that it has for now, with the cursor up to which the client has everything once
    /// the frames are sent; without a cursor that is not known.
    pub fn detach_feed(&mut self) -> Option<(Box<EventFeed>, Option<Cursor>)> {
        let dispatched = self.feed.as_ref()?.dispatched();
        let is_empty = matches!(self.fill(&Context::from_waker(Waker::noop())), Fill::Empty);
        let feed = self.feed.take()?;
        let position = feed.position(dispatched, is_empty);
        Some((feed, position))
    }

    /// Takes frames from the feed until it has none or the buffer holds enough. Ready when the connection must end once
    /// the buffer is sent; otherwise the waker is woken when the feed has more.
    pub fn poll_fill(&mut self, cx: &Context<'_>) -> Poll<Option<EndReason>> {
        match self.fill(cx) {
            Fill::Ended(end) => return Poll::Ready(end),
            Fill::Empty if self.feed.as_ref().is_some_and(|feed| feed.is_cursor_due) => {
                self.push_cursor(cx, Format::cursor);
            }
            Fill::Empty | Fill::Enough => {}
        }
        Poll::Pending
    }

    /// Appends the client's cursor if the client gets cursors, else a ping.
    pub fn heartbeat(&mut self, cx: &Context<'_>) {
        self.beats = (self.beats + 1) % BEATS_PER_EVENT;
        self.push_cursor(cx, if self.beats == 0 { Format::cursor } else { Format::heartbeat });
    }

    fn push_cursor(&mut self, cx: &Context<'_>, frame: fn(Format, Cursor) -> Bytes) {
        // Read before the outbox is emptied, so that everything up to it is in the outbox by then.
        let dispatched = self.feed.as_ref().and_then(|feed| feed.dispatched());
        let is_empty = matches!(self.fill(cx), Fill::Empty);
        let cursor = self.feed.as_mut().and_then(|feed| feed.next_cursor(dispatched, is_empty));
        self.push(match cursor {
            Some(cursor) => frame(self.format, cursor),
            None => self.format.message(&Message::Ping),
        });
    }

    fn fill(&mut self, cx: &Context<'_>) -> Fill {
        let Some(feed) = &mut self.feed else {
            return Fill::Empty;
        };
        loop {
            match feed.poll_frame(self.format, cx) {
                Poll::Ready(Ok(frame)) => {
                    self.bytes += frame.len();
                    self.frames.push_back(frame);
                }
                Poll::Ready(Err(end)) => return Fill::Ended(end),
                Poll::Pending => return Fill::Empty,
            }
            if self.bytes >= MAX_AHEAD {
                return Fill::Enough;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Audience, Event};
    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::dispatch::{
        command::{Subscription, Unsubscribe},
        outbox::{OutboxItem, outbox},
        outgoing_event::{LiveEvent, OutgoingEvent},
    };

    fn event(offset: u64) -> Arc<LiveEvent> {
        let mut event = Event::new("/t", "t", Audience::user("ada"));
        event.id = offset.to_string();
        event.data = Some(serde_json::Value::String("x".repeat(1000)).into());
        LiveEvent::new(OutgoingEvent::stamp(Arc::new(event), &"test".parse().unwrap(), cursor(offset)).unwrap())
    }

    fn cursor(offset: u64) -> Cursor {
        Cursor { offset, fingerprint: 7 }
    }

    fn text(frames: VecDeque<Bytes>) -> String {
        frames.iter().map(|frame| String::from_utf8_lossy(frame)).collect()
    }

    #[test]
    fn a_cursor_is_sent_only_after_every_event_before_it() {
        let (sender, outbox) = outbox(1000);
        let dispatched = watch::Sender::new(Some(cursor(100)));
        let guard = Unsubscribe { id: 1, departures: Arc::default(), _commands: mpsc::channel(1).0 };
        let subscription = Subscription { start: cursor(0), outbox, dispatched: dispatched.subscribe(), _guard: guard };
        assert!(sender.push(OutboxItem::Replay { gap: None, events: Vec::new() }));
        (1..=100).for_each(|offset| assert!(sender.push(OutboxItem::Event(event(offset)))));
        let cx = Context::from_waker(Waker::noop());
        let mut buffer = WriteBuffer::new(Format::Plain);
        buffer.set_feed(EventFeed::new(subscription, true));
        buffer.heartbeat(&cx);
        let sent = text(buffer.take());
        let last = sent.rsplit("id: ").next().unwrap().trim().parse::<Cursor>().unwrap();
        assert!(last.offset < 100 && sent.matches("data: ").count() == usize::try_from(last.offset).unwrap(), "{last}");
        let mut sent = 0;
        while sent < 100 - last.offset {
            assert!(buffer.poll_fill(&cx).is_pending());
            sent += text(buffer.take()).matches("data: ").count() as u64;
        }
        buffer.heartbeat(&cx);
        assert_eq!(text(buffer.take()), format!("id: {}\n\n", cursor(100)));
        (0..40).for_each(|_| buffer.heartbeat(&cx));
        let beats = text(buffer.take());
        assert_eq!((beats.matches("id: ").count(), beats.matches("event: cursor\ndata:\n").count()), (40, 2));
    }

    #[test]
    fn what_was_sent_in_part_goes_on_where_it_stopped() {
        let mut buffer = WriteBuffer::new(Format::HubJson);
        ["one", "two", "three"].into_iter().for_each(|frame| buffer.push(Bytes::from(frame)));
        buffer.advance(4);
        assert_eq!((buffer.unsent(), text(buffer.take())), (7, "wothree".to_owned()));
    }
}
