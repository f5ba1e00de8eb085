//! A connection's subscription as frames: replayed events, live ones, and gaps.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use jiff::Timestamp;
use model::Cursor;

use super::format::Format;
use crate::dispatch::{
    command::Subscription,
    outbox::{EndReason, GapReason, OutboxItem},
    outgoing_event::OutgoingEvent,
};

/// A subscription, and the client's cursor in it.
#[derive(Debug)]
pub struct EventFeed {
    subscription: Subscription,
    /// True if the client gets cursors and gaps.
    sends_cursor: bool,
    /// Replayed events that are not taken yet.
    replay: VecDeque<Arc<OutgoingEvent>>,
    /// The client's cursor, once everything taken is sent.
    cursor: Cursor,
    /// True if the replay has come: only then may the dispatcher's cursor become the client's.
    is_replayed: bool,
    /// After a gap the client's cursor is void: the next one counts, even a lower one.
    is_after_gap: bool,
    /// The cursor at the end of a replay is sent as soon as everything is taken.
    pub(super) is_cursor_due: bool,
}

impl EventFeed {
    /// A feed from the subscription's start on; `sends_cursor` if the client asked for cursors and gaps.
    pub fn new(subscription: Subscription, sends_cursor: bool) -> Self {
        Self {
            cursor: subscription.start,
            subscription,
            sends_cursor,
            replay: VecDeque::new(),
            is_replayed: false,
            is_after_gap: false,
            is_cursor_due: false,
        }
    }

    /// Waits for the replay, which comes before everything else, and returns the gap that it begins with, if any.
    pub async fn wait_for_replay(&mut self) -> Result<Option<GapReason>, Option<EndReason>> {
        match std::future::poll_fn(|cx| self.subscription.outbox.poll_next(cx)).await {
            Some(OutboxItem::Replay { gap, events }) => {
                self.set_replay(gap, events);
                Ok(gap)
            }
            // The dispatcher always sends the replay first.
            Some(_) => Ok(None),
            None => Err(self.subscription.outbox.end()),
        }
    }

    /// The next frame; an error when the subscription has ended.
    pub(super) fn poll_frame(&mut self, format: Format, cx: &Context<'_>) -> Poll<Result<Bytes, Option<EndReason>>> {
        loop {
            let frame = if let Some(event) = self.replay.pop_front() {
                self.event(&event, || format.replayed(&event))
            } else {
                match ready!(self.subscription.outbox.poll_next(cx)) {
                    Some(OutboxItem::Event(live)) => self.event(&live.event, || format.live(&live)),
                    Some(OutboxItem::Gap(reason)) => self.gap(format, reason),
                    Some(OutboxItem::Replay { gap, events }) => {
                        self.set_replay(gap, events);
                        gap.and_then(|reason| self.gap(format, reason))
                    }
                    None => return Poll::Ready(Err(self.subscription.outbox.end())),
                }
            };
            if let Some(frame) = frame {
                return Poll::Ready(Ok(frame));
            }
        }
    }

    /// The cursor that the client gets before any event, if it gets cursors.
    pub(super) fn start_cursor(&self) -> Option<Cursor> {
        self.sends_cursor.then_some(self.cursor)
    }

    /// Everything up to this cursor is in the outbox. Read it before emptying the outbox.
    pub(crate) fn dispatched(&self) -> Option<Cursor> {
        *self.subscription.dispatched.borrow()
    }

    /// The cursor to send, if the client gets cursors: `dispatched` when everything before it was taken.
    pub(super) fn next_cursor(&mut self, dispatched: Option<Cursor>, is_empty: bool) -> Option<Cursor> {
        self.is_cursor_due &= !is_empty && self.sends_cursor;
        if !self.sends_cursor {
            return None;
        }
        if let Some(cursor) = self.newer(dispatched, is_empty) {
            self.cursor = cursor;
            self.is_after_gap = false;
        }
        Some(self.cursor)
    }

    /// The cursor up to which the client has everything once all that was taken is sent; `None` after a gap that nothing
    /// has followed yet. `dispatched` and `is_empty` as for [`Self::next_cursor`].
    pub(super) fn position(&self, dispatched: Option<Cursor>, is_empty: bool) -> Option<Cursor> {
        self.newer(dispatched, is_empty).or_else(|| (!self.is_after_gap).then_some(self.cursor))
    }

    /// `dispatched`, if everything before it was taken and it is newer than the client's cursor.
    fn newer(&self, dispatched: Option<Cursor>, is_empty: bool) -> Option<Cursor> {
        // A slow connection was refused an event that lies before `dispatched`.
        let is_complete = self.is_replayed && is_empty && self.subscription.outbox.end().is_none();
        let is_newer = |cursor: &Cursor| self.is_after_gap || cursor.offset > self.cursor.offset;
        dispatched.filter(|cursor| is_complete && is_newer(cursor))
    }

    fn set_replay(&mut self, gap: Option<GapReason>, events: Vec<Arc<OutgoingEvent>>) {
        self.is_replayed = true;
        self.is_after_gap |= gap.is_some();
        self.is_cursor_due = gap.is_some() || !events.is_empty();
        self.replay = events.into();
    }

    fn event(&mut self, event: &OutgoingEvent, frame: impl FnOnce() -> Bytes) -> Option<Bytes> {
        self.cursor = event.cursor;
        self.is_after_gap = false;
        // Few can expire, and the time is not read for the others.
        let has_expired = event.expires.is_some() && event.has_expired(Timestamp::now());
        (!has_expired).then(frame)
    }

    fn gap(&mut self, format: Format, reason: GapReason) -> Option<Bytes> {
        self.is_after_gap = true;
        self.sends_cursor.then(|| format.gap(reason))
    }
}
