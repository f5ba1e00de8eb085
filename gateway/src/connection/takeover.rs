//! How a handler gets the socket of its request: hyper speaks HTTP until the head of the answer is out, and from there on
//! the connection is ours. It spares hyper's buffers (8 KiB for each idle connection) and a task's waking for each write.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::{
    body::{Body, Frame},
    rt::{Read, ReadBufCursor, Write},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::api::problem::Problem;

/// What is done with the socket; given what the client sent beyond its request.
type Then = Box<dyn FnOnce(TcpStream, Bytes) -> BoxFuture<'static, ()> + Send>;

/// Takes over the connection that a request came on; cheap to clone.
#[derive(Clone, Default)]
pub struct Takeover(Arc<Slot>);

#[derive(Default)]
struct Slot {
    then: Mutex<Option<Then>>,
    /// The body was asked for, so the head is written; what is flushed from now on is it.
    is_head_written: AtomicBool,
    is_head_sent: AtomicBool,
}

impl Takeover {
    /// Has this done with the socket once the head of the answer is out. The answer is either of status 101, or has
    /// [`Takeover::body`] as its body.
    pub fn then<F: Future<Output = ()> + Send + 'static>(
        &self,
        then: impl FnOnce(TcpStream, Bytes) -> F + Send + 'static,
    ) {
        let then: Then = Box::new(move |socket, early| Box::pin(then(socket, early)));
        *self.0.then.lock().unwrap_or_else(PoisonError::into_inner) = Some(then);
    }

    /// A body that says nothing: what follows the head is written by who has taken over.
    pub fn body(&self) -> axum::body::Body {
        axum::body::Body::new(Silence(self.0.clone()))
    }

    /// Whether the head is out and the socket is to be taken from HTTP.
    pub(crate) fn is_due(&self) -> bool {
        self.0.is_head_sent.load(Ordering::Acquire)
    }

    /// What is to be done with the socket, if somebody has taken over.
    pub(crate) fn take(&self) -> Option<Then> {
        self.0.then.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<S: Sync> FromRequestParts<S> for Takeover {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let here = parts.extensions.get::<Self>().cloned();
        here.ok_or_else(|| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no-socket", "there is no socket to stream on")
        })
    }
}

struct Silence(Arc<Slot>);

impl Body for Silence {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.is_head_written.store(true, Ordering::Release);
        Poll::Pending
    }
}

/// The socket while it speaks HTTP: notes when the head is out, for hyper flushes it once its own buffer is empty.
pub(crate) struct Watched {
    io: TokioIo<TcpStream>,
    takeover: Takeover,
}

impl Watched {
    pub(crate) fn new(socket: TcpStream, takeover: Takeover) -> Self {
        Self { io: TokioIo::new(socket), takeover }
    }

    pub(crate) fn into_inner(self) -> TcpStream {
        self.io.into_inner()
    }
}

impl Read for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let slot = &self.takeover.0;
        if slot.is_head_written.load(Ordering::Acquire) {
            slot.is_head_sent.store(true, Ordering::Release);
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }
}
