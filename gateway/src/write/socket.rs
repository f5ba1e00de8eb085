//! The socket of a connection that was taken from HTTP: of TCP, of TLS over TCP, or a stream of HTTP/2.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    net::Shutdown,
};

use bytes::Bytes;
use futures_util::FutureExt;
use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream, time::Instant};

use super::{http2_stream::Http2Stream, tls_socket::TlsSocket};

/// The number of frames in one write.
const MAX_SLICES: usize = 64;

/// What carries a connection's bytes.
pub enum Socket {
    /// TCP itself.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsSocket>),
    /// A stream of HTTP/2, one of many on its connection.
    Http2(Box<Http2Stream>),
}

impl Socket {
    /// Waits until something can be read; an error when the client has gone.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.readable().await,
            Self::Tls(tls) => tls.readable().await,
            Self::Http2(stream) => Err(stream.gone().await),
        }
    }

    /// Reads what is there; nothing at its end.
    pub(crate) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.try_read(into),
            Self::Tls(tls) => tls.try_read(into),
            // Its request ended before the answer began.
            Self::Http2(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Waits until it takes more; an error if it has taken nothing since then for too long.
    pub(super) async fn writable(&self, blocked_since: Instant) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.writable().await,
            Self::Tls(tls) => tls.tcp.writable().await,
            Self::Http2(stream) => stream.writable(blocked_since).await,
        }
    }

    /// Writes as much of these frames as it takes.
    pub(super) fn try_write(&self, frames: &VecDeque<Bytes>) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => match frames.len() {
                1 => tcp.try_write(&frames[0]),
                _ => with_slices(frames, |slices| tcp.try_write_vectored(slices)),
            },
            Self::Tls(tls) => with_slices(frames, |slices| tls.try_write(slices)),
            Self::Http2(stream) => stream.try_write(frames),
        }
    }

    /// Writes what it has taken and not written itself.
    pub(super) fn try_flush(&self) -> io::Result<()> {
        match self {
            Self::Tls(tls) => tls.try_flush(),
            Self::Tcp(_) | Self::Http2(_) => Ok(()),
        }
    }

    /// Says that nothing more will be written; `true` if the client may still close its side.
    pub(super) fn shutdown(&self) -> bool {
        match self {
            Self::Tcp(tcp) => SockRef::from(tcp).shutdown(Shutdown::Write).is_ok(),
            Self::Tls(tls) => {
                tls.send_close_notify();
                SockRef::from(&tls.tcp).shutdown(Shutdown::Write).is_ok()
            }
            Self::Http2(stream) => {
                stream.end();
                false
            }
        }
    }

    /// Has its client come back on another connection, which may lead to another pod: of HTTP/2 all streams have one.
    pub(crate) fn send_elsewhere(&self) {
        if let Self::Http2(stream) = self {
            stream.send_elsewhere();
        }
    }

    /// True if the client has closed its side, whatever is still to be read.
    pub(super) fn is_read_closed(&self) -> bool {
        let tcp = match self {
            Self::Tcp(tcp) => tcp,
            Self::Tls(tls) => &tls.tcp,
            Self::Http2(stream) => return stream.is_gone(),
        };
        let readiness = tcp.ready(Interest::READABLE).now_or_never();
        readiness.is_some_and(|ready| ready.is_err() || ready.is_ok_and(|ready| ready.is_read_closed()))
    }
}

fn with_slices(frames: &VecDeque<Bytes>, write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let mut count = 0;
    for (slice, frame) in slices.iter_mut().zip(frames) {
        *slice = IoSlice::new(frame);
        count += 1;
    }
    write(&slices[..count])
}
