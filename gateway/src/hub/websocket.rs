//! The hub over WebSockets, on any pod. tungstenite reads the frames that come in; those that go out are written straight
//! to the socket.

use std::{
    future::pending,
    io::{self, Read, Write},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::future::Either;
use signalr::{Encoding, ProtocolError};
use tokio::{task::yield_now, time::sleep_until};
use tungstenite::{
    Error, Message as Frame,
    error::ProtocolError as FrameError,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext, frame::coding::CloseCode},
};

use super::{
    close_reason::CloseReason,
    registry::{Refresh, RefreshLease},
    session::{Session, largest_message},
    transport::send_close,
};
use crate::write::{
    close::close,
    format::Format,
    socket::Socket,
    timer::Tick,
    writer::{Closed, ConnectionWriter},
};

/// Bytes of the read buffer; few clients send more than a ping.
const READ_BUFFER: usize = 512;
/// Bytes of answers that a client may leave unread before nothing more is read from it.
const MAX_UNREAD: usize = 64 * 1024;
/// Reads of the buffer's size for one frame before the client pays for another.
const READS_AT_ONCE: u8 = 8;
/// Frames that are read before other tasks may run.
const FRAMES_AT_ONCE: usize = 16;

/// Serves a client's socket to its end.
pub(super) async fn run(socket: Socket, early: Bytes, mut session: Session, lease: Option<RefreshLease>) {
    let queue = session.caller.environment.write_queue.clone();
    let writer = ConnectionWriter::open(socket, Format::HubJsonWebSocket, &queue);
    let largest = largest_message(&session.pod);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest));
    let mut frames = WebSocketContext::from_partially_read(early.to_vec(), Role::Server, Some(config));
    // It is a part of HTTP's buffer, and would keep the whole.
    drop(early);
    let reason = serve(&writer, &mut frames, &mut session, lease.as_ref()).await;
    drop(lease);
    writer.drop_feed();
    // What waits may be of rights that the client no longer has; it is told again after its cursor if it still has them.
    if reason == CloseReason::RIGHTS_CHANGED && writer.unsent() > 0 {
        return;
    }
    send_close(&reason, &*writer);
    let code = match reason {
        CloseReason::HandshakeRefused(_) | CloseReason::ProtocolFault(_) => CloseCode::Policy,
        CloseReason::ClientLeft | CloseReason::Ended(_) => CloseCode::Normal,
    };
    let end = CloseFrame { code, reason: reason.as_str().into() };
    frames.close(&mut Frames { writer: &writer, reads: 0 }, Some(end)).ok();
    close(&writer).await;
}

async fn serve(
    writer: &Arc<ConnectionWriter>,
    frames: &mut WebSocketContext,
    session: &mut Session,
    lease: Option<&RefreshLease>,
) -> CloseReason {
    let mut may_read = true;
    loop {
        if std::mem::take(&mut may_read)
            && let Err(reason) = read(writer, frames, session).await
        {
            return reason;
        }
        let readable = match writer.unsent() < MAX_UNREAD {
            true => Either::Left(writer.socket.readable()),
            false => Either::Right(async {
                writer.flushed().await;
                Ok(())
            }),
        };
        let silent_until = session.deadline();
        tokio::select! {
            over = writer.closed() => return match over {
                Closed::Broken => CloseReason::ClientLeft,
                Closed::Ended(end) => end.into(),
            },
            ready = readable => match ready {
                Ok(()) => may_read = true,
                Err(_) => return CloseReason::ClientLeft,
            },
            Refresh { claims, reply } = next_refresh(lease) => {
                match Box::pin(session.refresh(&claims, writer)).await {
                    Ok(refreshed) => drop(reply.send(refreshed.into())),
                    Err(reason) => return reason,
                }
            }
            tick = session.timer.tick() => match tick {
                Tick::Heartbeat if session.is_open() => writer.heartbeat(),
                Tick::Heartbeat => {}
                Tick::End(end) => return end.into(),
            },
            () = sleep_until(silent_until) => return session.timed_out(),
        }
    }
}

/// The next access token that comes beside the socket; never, for a client that has not negotiated.
async fn next_refresh(lease: Option<&RefreshLease>) -> Refresh {
    match lease {
        Some(lease) => lease.next().await,
        None => pending().await,
    }
}

/// Reads the frames that have arrived.
async fn read(
    writer: &Arc<ConnectionWriter>,
    frames: &mut WebSocketContext,
    session: &mut Session,
) -> Result<(), CloseReason> {
    for count in 1.. {
        if writer.unsent() >= MAX_UNREAD {
            return Ok(());
        }
        let mut socket = Frames { writer, reads: 0 };
        match frames.read(&mut socket) {
            Ok(Frame::Text(_)) if writer.format().encoding() == Some(Encoding::MessagePack) => {
                return Err(CloseReason::ProtocolFault(
                    "binary was agreed in the handshake, and this is text".to_owned(),
                ));
            }
            Ok(Frame::Text(text)) => Box::pin(session.receive(text.as_bytes(), writer)).await?,
            Ok(Frame::Binary(bytes)) => Box::pin(session.receive(&bytes, writer)).await?,
            Ok(Frame::Ping(_) | Frame::Pong(_)) => {
                session.keep_alive();
                session.take(1)?;
                // The answer to a ping waits in the library until it is flushed.
                frames.flush(&mut socket).ok();
            }
            Ok(Frame::Close(_) | Frame::Frame(_)) => {}
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                // Parts of a frame or of a message, and be they empty.
                if socket.reads > 0 {
                    session.take(1)?;
                }
                if socket.reads < READS_AT_ONCE {
                    return Ok(());
                }
            }
            Err(Error::Capacity(_)) => {
                let largest = largest_message(&session.pod);
                return Err(CloseReason::ProtocolFault(ProtocolError::TooLarge(largest).to_string()));
            }
            Err(Error::Utf8(_)) => return Err(CloseReason::ProtocolFault("the text is not UTF-8".to_owned())),
            Err(Error::Protocol(error)) if !matches!(error, FrameError::ResetWithoutClosingHandshake) => {
                return Err(CloseReason::ProtocolFault(error.to_string()));
            }
            Err(_) => return Err(CloseReason::ClientLeft),
        }
        if count % FRAMES_AT_ONCE == 0 {
            yield_now().await;
        }
    }
    Ok(())
}

/// The socket as the library sees it: its own answers to pings and closes are queued behind what was sent before.
struct Frames<'a> {
    writer: &'a Arc<ConnectionWriter>,
    /// Reads that have returned bytes.
    reads: u8,
}

impl Read for Frames<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.reads >= READS_AT_ONCE {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let read = self.writer.socket.try_read(into)?;
        self.reads += 1;
        Ok(read)
    }
}

impl Write for Frames<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.send(Bytes::copy_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
