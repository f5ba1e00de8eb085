//! The answer's side of a stream of HTTP/2, written by whoever has the bytes. They go to the task of its connection, and no
//! more than the client has opened its windows for: what they hold back stays in the connection's own buffer.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::SendStream;
use tokio::time::{Instant, timeout_at};

use crate::lock::lock;

/// A client that takes nothing of what waits for this long is gone, as the kernel has it for sockets.
const STALLED: Duration = Duration::from_secs(30);

/// A stream whose head is out. Dropped before its end it is reset, after what was written.
pub struct Http2Stream {
    send: Mutex<SendStream<Bytes>>,
    is_gone: AtomicBool,
    /// Of its connection, which takes no more requests once it is set and this has ended.
    goes_elsewhere: Arc<AtomicBool>,
}

impl Http2Stream {
    /// The stream of an answer, and what says that its connection's client should come back on another.
    pub(crate) fn new(send: SendStream<Bytes>, goes_elsewhere: Arc<AtomicBool>) -> Self {
        Self { send: Mutex::new(send), is_gone: AtomicBool::new(false), goes_elsewhere }
    }

    pub(super) fn send_elsewhere(&self) {
        self.goes_elsewhere.store(true, Ordering::Release);
    }

    /// Waits until the client has reset it, or its connection has ended. Only one task may wait, for this and for
    /// [`Self::writable`].
    pub(super) async fn gone(&self) -> io::Error {
        let reset = poll_fn(|cx| lock(&self.send).poll_reset(cx)).await;
        self.is_gone.store(true, Ordering::Release);
        match reset {
            Ok(_) => io::ErrorKind::ConnectionReset.into(),
            Err(error) => broken(error),
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    pub(super) async fn writable(&self, blocked_since: Instant) -> io::Result<()> {
        let capacity = poll_fn(|cx| lock(&self.send).poll_capacity(cx));
        match timeout_at(blocked_since + STALLED, capacity).await {
            Ok(Some(Ok(_))) => Ok(()),
            Ok(Some(Err(error))) => Err(broken(error)),
            Ok(None) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    pub(super) fn try_write(&self, frames: &VecDeque<Bytes>) -> io::Result<usize> {
        let mut send = lock(&self.send);
        send.reserve_capacity(frames.iter().map(Bytes::len).sum());
        let mut written = 0;
        for frame in frames {
            let count = send.capacity().min(frame.len());
            if count > 0 {
                send.send_data(frame.slice(..count), false).map_err(broken)?;
                written += count;
            }
            if count < frame.len() {
                break;
            }
        }
        if written == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(written) }
    }

    pub(super) fn end(&self) {
        // It fails only if the stream has ended already.
        lock(&self.send).send_data(Bytes::new(), true).ok();
    }
}

fn broken(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}
