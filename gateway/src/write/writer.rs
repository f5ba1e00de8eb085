//! A connection whose socket was taken over: bytes are written straight to it by the task that has them.
//!
//! An outbox that gets something wakes no task: its waker puts the writer on the [`WriteQueue`], which the dispatcher
//! flushes. The connection's own task wakes only when the socket takes no more, or when the connection must end.

use std::{
    io,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use model::Cursor;
use tokio::time::Instant;

use super::{
    buffer::WriteBuffer,
    feed::EventFeed,
    format::Format,
    queue::{QueuedWriter, WriteQueue},
    socket::Socket,
};
use crate::dispatch::outbox::EndReason;

/// A connection's socket, and the bytes on their way to it.
pub struct ConnectionWriter {
    pub(crate) socket: Socket,
    state: Mutex<State>,
    is_queued: AtomicBool,
    queue: WriteQueue,
    /// The connection's own task.
    owner: AtomicWaker,
}

struct State {
    buffer: WriteBuffer,
    /// Since then the socket takes no more; the owner waits until it does.
    blocked_since: Option<Instant>,
    closed: Option<Closed>,
}

/// The writer as its connection's task holds it; dropping this drops the subscription, whoever else holds the writer.
pub struct OwnedWriter(Arc<ConnectionWriter>);

impl Deref for OwnedWriter {
    type Target = Arc<ConnectionWriter>;

    fn deref(&self) -> &Arc<ConnectionWriter> {
        &self.0
    }
}

impl Drop for OwnedWriter {
    fn drop(&mut self) {
        // Its outbox holds the writer as its waker, so the two would keep each other alive.
        let mut state = self.0.state();
        state.closed = Some(Closed::Broken);
        let buffer = std::mem::replace(&mut state.buffer, WriteBuffer::new(Format::Plain));
        drop(state);
        drop(buffer);
    }
}

/// Why nothing more is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The socket is broken.
    Broken,
    /// The dispatcher has ended the subscription.
    Ended(EndReason),
}

impl ConnectionWriter {
    /// A writer to a socket, in this format.
    pub fn open(socket: Socket, format: Format, queue: &WriteQueue) -> OwnedWriter {
        let state = State { buffer: WriteBuffer::new(format), blocked_since: None, closed: None };
        OwnedWriter(Arc::new(Self {
            socket,
            state: Mutex::new(state),
            is_queued: AtomicBool::new(false),
            queue: queue.clone(),
            owner: AtomicWaker::new(),
        }))
    }

    /// The format that it writes.
    pub fn format(&self) -> Format {
        self.state().buffer.format
    }

    /// Writes this format from now on.
    pub fn set_format(&self, format: Format) {
        self.state().buffer.format = format;
    }

    /// Writes a frame, after everything before it.
    pub fn send(self: &Arc<Self>, frame: Bytes) {
        let mut state = self.state();
        state.buffer.push(frame);
        self.write(&mut state);
    }

    /// Writes the events of this feed from now on.
    pub fn set_feed(self: &Arc<Self>, feed: EventFeed) {
        let mut state = self.state();
        state.buffer.set_feed(feed);
        self.write(&mut state);
    }

    /// Writes no more events; the frames that wait stay.
    pub fn drop_feed(&self) {
        let feed = self.state().buffer.take_feed();
        // Outside of the lock: it unsubscribes.
        drop(feed);
    }

    /// Writes no more events, and returns the cursor up to which the client has them once the frames that wait are written.
    pub fn detach_feed(&self) -> Option<Cursor> {
        let (feed, cursor) = self.state().buffer.detach_feed()?;
        // Outside of the lock: it unsubscribes.
        drop(feed);
        cursor
    }

    /// Writes the client's cursor or a ping, unless the socket is blocked: heartbeats would only pile up.
    pub fn heartbeat(self: &Arc<Self>) {
        let mut state = self.state();
        if state.blocked_since.is_some() {
            return;
        }
        let waker = Waker::from(self.clone());
        state.buffer.heartbeat(&Context::from_waker(&waker));
        self.write(&mut state);
    }

    /// The number of bytes that the socket has not taken yet.
    pub fn unsent(&self) -> usize {
        self.state().buffer.unsent()
    }

    /// True if nothing can be written any more, or the client has closed its side, whatever is still to be read.
    pub fn is_gone(&self) -> bool {
        self.state().closed == Some(Closed::Broken) || self.socket.is_read_closed()
    }

    /// Waits until nothing more can be written, and meanwhile writes when a blocked socket takes more. Only for the
    /// connection's own task.
    pub async fn closed(self: &Arc<Self>) -> Closed {
        loop {
            let blocked = std::future::poll_fn(|cx| {
                self.owner.register(cx.waker());
                let state = self.state();
                match (state.closed, state.blocked_since) {
                    (Some(closed), _) => Poll::Ready(Err(closed)),
                    (None, Some(since)) => Poll::Ready(Ok(since)),
                    (None, None) => Poll::Pending,
                }
            });
            match blocked.await {
                Ok(since) => self.writable(since).await,
                Err(closed) => return closed,
            }
        }
    }

    /// Waits until everything is written, or cannot be. Only for the connection's own task.
    pub async fn flushed(self: &Arc<Self>) {
        while let Some(since) = self.blocked_since() {
            self.writable(since).await;
        }
    }

    fn blocked_since(&self) -> Option<Instant> {
        let state = self.state();
        state.blocked_since.filter(|_| state.closed != Some(Closed::Broken))
    }

    async fn writable(self: &Arc<Self>, since: Instant) {
        let ready = self.socket.writable(since).await;
        let mut state = self.state();
        match ready {
            Ok(()) => self.write_on(&mut state),
            Err(_) => state.closed = Some(Closed::Broken),
        }
    }

    fn write(self: &Arc<Self>, state: &mut State) {
        if state.blocked_since.is_none() {
            self.write_on(state);
        }
    }

    fn write_on(self: &Arc<Self>, state: &mut State) {
        if state.closed == Some(Closed::Broken) {
            return;
        }
        let waker = Waker::from(self.clone());
        loop {
            if state.closed.is_none()
                && let Poll::Ready(end) = state.buffer.poll_fill(&Context::from_waker(&waker))
            {
                state.closed = Some(Closed::Ended(end.unwrap_or(EndReason::Draining)));
                self.owner.wake();
            }
            let is_all = state.buffer.unsent() == 0;
            let written = match is_all {
                true => self.socket.try_flush().map(|()| 0),
                false => self.socket.try_write(&state.buffer.frames),
            };
            match written {
                Ok(written) => {
                    state.blocked_since = None;
                    if is_all {
                        return;
                    }
                    state.buffer.advance(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    state.blocked_since.get_or_insert_with(Instant::now);
                    return self.owner.wake();
                }
                Err(_) => {
                    state.closed = Some(Closed::Broken);
                    return self.owner.wake();
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere may have left a frame half taken; then the client sees an end, not the process.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueuedWriter for ConnectionWriter {
    fn write_pending(self: Arc<Self>) {
        self.is_queued.store(false, Ordering::Release);
        self.write(&mut self.state());
    }
}

/// The waker of its outbox: queues the writer, and wakes no task.
impl Wake for ConnectionWriter {
    fn wake(self: Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            let queue = self.queue.clone();
            queue.push(self);
        }
    }
}
