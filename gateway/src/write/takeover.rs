//! Takes a request's socket from HTTP: hyper serves the connection until the head of the answer is out, and from there on
//! a handler has it. This spares hyper's buffers (8 KiB for each idle connection) and waking a task for each write.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use hyper::{
    body::{Body, Frame},
    rt::{Read, ReadBufCursor, Write},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Sleep, sleep},
};

use crate::{api::problem::Problem, lock::lock};

/// Bytes of the largest head of a request, with its token, cookies and traces. hyper's buffer begins with 8 KiB, grows to
/// this only for a head or body that needs it, and is freed where a connection is taken from HTTP.
pub(crate) const LARGEST_HEAD: usize = 32 << 10;

/// Gets the socket, and the bytes that the client sent beyond its request.
type Handler = Box<dyn FnOnce(TcpStream, Bytes) -> BoxFuture<'static, ()> + Send>;

/// Takes over the connection that a request came on; cheap to clone.
#[derive(Clone, Default)]
pub struct Takeover(Arc<Slot>);

#[derive(Default)]
struct Slot {
    handler: Mutex<Option<Handler>>,
    /// Set when hyper asks for the body: then the head is written, and the next flush sends it.
    is_head_written: AtomicBool,
    is_head_sent: AtomicBool,
}

impl Takeover {
    /// Runs this with the socket once the head of the answer is out. The answer must have status 101, or
    /// [`Takeover::body`] as its body.
    pub fn on_socket<F: Future<Output = ()> + Send + 'static>(
        &self,
        handler: impl FnOnce(TcpStream, Bytes) -> F + Send + 'static,
    ) {
        let handler: Handler = Box::new(move |socket, early| Box::pin(handler(socket, early)));
        *lock(&self.0.handler) = Some(handler);
    }

    /// A body that stays empty: the handler writes what follows the head.
    pub fn body(&self) -> axum::body::Body {
        axum::body::Body::new(NoBody(self.0.clone()))
    }

    /// True if the head is out and the socket is to be taken from HTTP.
    pub(crate) fn is_due(&self) -> bool {
        self.0.is_head_sent.load(Ordering::Acquire)
    }

    /// The handler, if the request was taken over.
    pub(crate) fn take(&self) -> Option<Handler> {
        lock(&self.0.handler).take()
    }
}

impl<S: Sync> FromRequestParts<S> for Takeover {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let takeover = parts.extensions.get::<Self>().cloned();
        takeover.ok_or_else(|| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no-socket", "there is no socket to stream on")
        })
    }
}

struct NoBody(Arc<Slot>);

impl Body for NoBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.is_head_written.store(true, Ordering::Release);
        Poll::Pending
    }
}

/// The socket while HTTP uses it; notes when the head is out, which hyper flushes once its own buffer is empty. It breaks
/// when the client reads nothing of an answer for too long: TCP itself would wait for ever.
pub(crate) struct HttpSocket {
    io: TokioIo<TcpStream>,
    takeover: Takeover,
    silence: Duration,
    /// Runs while the socket takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// What is left to write of the answer that stands in for hyper's own.
    refusal: Bytes,
}

/// The beginning of hyper's own answer to a head that is too large, after the version. No route answers so.
const HEAD_TOO_LARGE: &[u8] = b" 431 ";

impl HttpSocket {
    pub(crate) fn new(socket: TcpStream, takeover: Takeover, silence: Duration) -> Self {
        Self { io: TokioIo::new(socket), takeover, silence, stalled: None, refusal: Bytes::new() }
    }

    fn in_time(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let silence = self.silence;
        ready!(self.stalled.get_or_insert_with(|| Box::pin(sleep(silence))).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    pub(crate) fn into_inner(self) -> TcpStream {
        self.io.into_inner()
    }

    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusal.is_empty() {
            let written = Pin::new(&mut self.io).poll_write(cx, &self.refusal);
            let count = ready!(self.in_time(cx, written))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refusal.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

/// The answer to a head that is too large; hyper's own has no body.
fn head_refused() -> Bytes {
    let detail = format!(
        "the request's head may have {LARGEST_HEAD} bytes and 100 headers; a shorter token, fewer cookies or a shorter \
         address makes it smaller"
    );
    let problem = Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", detail);
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let head = "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/problem+json\r\n\
                x-content-type-options: nosniff\r\nconnection: close\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into()
}

impl Read for HttpSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl Write for HttpSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.in_time(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let slot = &self.takeover.0;
        if slot.is_head_written.load(Ordering::Acquire) {
            slot.is_head_sent.store(true, Ordering::Release);
        }
        ready!(self.poll_refusal(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(cx))?;
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
        let first = slices.first().map_or(&[][..], |slice| slice);
        if first.get(b"HTTP/1.1".len()..).is_some_and(|rest| rest.starts_with(HEAD_TOO_LARGE))
            && first.starts_with(b"HTTP/")
        {
            self.refusal = head_refused();
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.in_time(cx, written)
    }
}
