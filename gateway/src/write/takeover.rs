//! Takes a request's socket, or its stream of HTTP/2, from HTTP: once the head of the answer is out a handler has it. Over
//! HTTP/1.1 this spares hyper's buffers (8 KiB for each idle connection), over both waking a task for each write.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex,
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
use hyper::body::{Body, Frame};

use super::socket::Socket;
use crate::{api::problem::Problem, lock::lock};

/// Gets the socket, and the bytes that the client sent beyond its request.
pub(crate) type Handler = Box<dyn FnOnce(Socket, Bytes) -> BoxFuture<'static, ()> + Send>;

/// Takes over the connection that a request came on; cheap to clone.
#[derive(Clone, Default)]
pub struct Takeover(Arc<Slot>);

#[derive(Default)]
struct Slot {
    handler: Mutex<Option<Handler>>,
    /// Set when hyper asks for the body: then the head is written, and the next flush sends it. HTTP/2 needs neither.
    is_head_written: AtomicBool,
    is_head_sent: AtomicBool,
}

impl Takeover {
    /// Runs this with the socket once the head of the answer is out. The answer must have status 101, or
    /// [`Takeover::body`] as its body.
    pub fn on_socket<F: Future<Output = ()> + Send + 'static>(
        &self,
        handler: impl FnOnce(Socket, Bytes) -> F + Send + 'static,
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

    /// Notes that what was written of the answer is being sent.
    pub(crate) fn note_flush(&self) {
        if self.0.is_head_written.load(Ordering::Acquire) {
            self.0.is_head_sent.store(true, Ordering::Release);
        }
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
