//! The socket while HTTP/1.1 uses it: notes when the head of an answer is out, and words the answer to a head that is too
//! large.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::http::StatusCode;
use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;

use super::client_socket::ClientSocket;
use crate::{api::problem::Problem, write::takeover::Takeover};

/// Bytes of the largest head of a request, with its token, cookies and traces. hyper's buffer begins with 8 KiB, grows to
/// this only for a head or body that needs it, and is freed where a connection is taken from HTTP.
pub(super) const LARGEST_HEAD: usize = 32 << 10;
/// Headers in it.
pub(super) const MOST_HEADERS: usize = 100;

/// A socket of HTTP/1.1. hyper flushes the head once its own buffer is empty.
pub(super) struct Http1Socket {
    io: TokioIo<ClientSocket>,
    takeover: Takeover,
    /// What is left to write of the answer that stands in for hyper's own.
    refusal: Bytes,
}

/// The beginning of hyper's own answer to a head that is too large, after the version. No route answers so.
const HEAD_TOO_LARGE: &[u8] = b" 431 ";

impl Http1Socket {
    pub(super) fn new(socket: ClientSocket, takeover: Takeover) -> Self {
        Self { io: TokioIo::new(socket), takeover, refusal: Bytes::new() }
    }

    pub(super) fn into_inner(self) -> ClientSocket {
        self.io.into_inner()
    }

    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusal.is_empty() {
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, &self.refusal))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refusal.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

/// The problem of a head that is too large.
pub(super) fn head_too_large() -> Problem {
    let detail = format!(
        "the request's head may have {LARGEST_HEAD} bytes and {MOST_HEADERS} headers; a shorter token, fewer cookies or a \
         shorter address makes it smaller"
    );
    Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", detail)
}

/// The answer to a head that is too large; hyper's own has no body.
fn head_refused() -> Bytes {
    let body = serde_json::to_string(&head_too_large()).unwrap_or_default();
    let head = "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/problem+json\r\n\
                x-content-type-options: nosniff\r\nconnection: close\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into()
}

impl Read for Http1Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl Write for Http1Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.takeover.note_flush();
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
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }
}
