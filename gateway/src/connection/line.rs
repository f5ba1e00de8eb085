//! A connection whose socket is ours: what goes out is written straight to it, by whoever has something to say.
//!
//! An outbox that gets something wakes no task: it puts its line on the list ([`Listed`]) of who filled it, who then writes.
//! The connection's own task is only woken when a socket takes no more, or when the end has come.

use std::{
    io::{self, IoSlice},
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use tokio::net::TcpStream;

use crate::{
    connection::{
        format::Format,
        outgoing::{Outgoing, Telling},
    },
    dispatch::{
        listed::{Listed, Writing},
        outbox::End,
    },
};

/// Most frames of one write.
const SLICES: usize = 64;

/// A connection's socket and what goes out on it.
pub struct Line {
    socket: TcpStream,
    state: Mutex<State>,
    /// Whether it is on the list of who has something to write.
    is_listed: AtomicBool,
    listed: Listed,
    owner: AtomicWaker,
}

struct State {
    outgoing: Outgoing,
    /// The socket takes no more at this moment; the owner waits until it does.
    is_blocked: bool,
    over: Option<Over>,
}

/// A line's owner: with it the line's part of the log goes, whoever else still holds the line.
pub struct Owner(Arc<Line>);

impl Deref for Owner {
    type Target = Arc<Line>;

    fn deref(&self) -> &Arc<Line> {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Its outbox holds the line as its waker, so the two would keep each other.
        let mut state = self.0.state();
        state.over = Some(Over::Broken);
        let outgoing = std::mem::replace(&mut state.outgoing, Outgoing::new(Format::Plain));
        drop(state);
        drop(outgoing);
    }
}

/// Why nothing more goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The socket is broken.
    Broken,
    /// The dispatcher has ended it.
    Ended(End),
}

impl Line {
    /// A line over a socket, written in this format.
    pub fn own(socket: TcpStream, format: Format, listed: &Listed) -> Owner {
        let state = State { outgoing: Outgoing::new(format), is_blocked: false, over: None };
        Owner(Arc::new(Self {
            socket,
            state: Mutex::new(state),
            is_listed: AtomicBool::new(false),
            listed: listed.clone(),
            owner: AtomicWaker::new(),
        }))
    }

    /// To wait until something comes, and to read it.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// How it is written.
    pub fn format(&self) -> Format {
        self.state().outgoing.format()
    }

    /// From here on it is written so.
    pub fn set_format(&self, format: Format) {
        self.state().outgoing.set_format(format);
    }

    /// Sends something, after all that was sent before.
    pub fn send(self: &Arc<Self>, frame: Bytes) {
        let mut state = self.state();
        state.outgoing.say(frame);
        self.write(&mut state);
    }

    /// From here on this is told.
    pub fn tell(self: &Arc<Self>, telling: Telling) {
        let mut state = self.state();
        state.outgoing.tell(telling);
        self.write(&mut state);
    }

    /// Tells the client its cursor, or that somebody is there; not while it takes nothing, for that would only pile up.
    pub fn beat(self: &Arc<Self>) {
        let mut state = self.state();
        if state.is_blocked {
            return;
        }
        let waker = Waker::from(self.clone());
        state.outgoing.beat(&Context::from_waker(&waker));
        self.write(&mut state);
    }

    /// Bytes that the socket has not taken yet.
    pub fn waiting(&self) -> usize {
        self.state().outgoing.waiting()
    }

    /// Waits until nothing more goes out; meanwhile writes what the socket did not take at once. Only for the owner.
    pub async fn over(self: &Arc<Self>) -> Over {
        loop {
            let is_blocked = std::future::poll_fn(|cx| {
                self.owner.register(cx.waker());
                let state = self.state();
                match state.over {
                    Some(over) => Poll::Ready(Err(over)),
                    None if state.is_blocked => Poll::Ready(Ok(())),
                    None => Poll::Pending,
                }
            });
            if let Err(over) = is_blocked.await {
                return over;
            }
            self.writable().await;
        }
    }

    /// Waits until all that was said is sent, or cannot be.
    pub async fn drained(self: &Arc<Self>) {
        while self.waiting() > 0 && !self.is_broken() {
            self.writable().await;
        }
    }

    fn is_broken(&self) -> bool {
        self.state().over == Some(Over::Broken)
    }

    async fn writable(self: &Arc<Self>) {
        let ready = self.socket.writable().await;
        let mut state = self.state();
        state.is_blocked = false;
        match ready {
            Ok(()) => self.write(&mut state),
            Err(_) => state.over = Some(Over::Broken),
        }
    }

    fn write(self: &Arc<Self>, state: &mut State) {
        if state.is_blocked || state.over == Some(Over::Broken) {
            return;
        }
        let waker = Waker::from(self.clone());
        loop {
            if state.over.is_none()
                && let Poll::Ready(end) = state.outgoing.poll_fill(&Context::from_waker(&waker))
            {
                state.over = Some(Over::Ended(end.unwrap_or(End::Draining)));
                self.owner.wake();
            }
            if state.outgoing.waiting() == 0 {
                return;
            }
            match self.write_once(&state.outgoing) {
                Ok(sent) => state.outgoing.sent(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    state.is_blocked = true;
                    return self.owner.wake();
                }
                Err(_) => {
                    state.over = Some(Over::Broken);
                    return self.owner.wake();
                }
            }
        }
    }

    fn write_once(&self, outgoing: &Outgoing) -> io::Result<usize> {
        let mut frames = outgoing.frames();
        let (Some(first), second) = (frames.next(), frames.next()) else {
            return Ok(0);
        };
        let Some(second) = second else {
            return self.socket.try_write(first);
        };
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, frame) in slices.iter_mut().zip([first, second].into_iter().chain(frames)) {
            *slice = IoSlice::new(frame);
            count += 1;
        }
        self.socket.try_write_vectored(&slices[..count])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere may have left a frame half taken; then the client sees an end, not the process.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing for Line {
    fn write_waiting(self: Arc<Self>) {
        self.is_listed.store(false, Ordering::Release);
        self.write(&mut self.state());
    }
}

/// An outbox that has something wakes this, and nobody's task.
impl Wake for Line {
    fn wake(self: Arc<Self>) {
        if !self.is_listed.swap(true, Ordering::AcqRel) {
            let listed = self.listed.clone();
            listed.list(self);
        }
    }
}
