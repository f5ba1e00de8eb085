//! The hub over WebSockets, on any pod. What goes out is written straight to the socket; the library reads what comes.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::future::Either;
use signalr::{Encoding, Message};
use tokio::{net::TcpStream, task::yield_now, time::sleep_until};
use tungstenite::{
    Error, Message as Frame,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext, frame::coding::CloseCode},
};

use super::{
    closing::Closing,
    session::{Carrier, Session, conclude, largest_message},
};
use crate::write::{
    clock::{Clock, Tick},
    close::close,
    feed::EventFeed,
    format::Format,
    writer::{Closed, ConnectionWriter},
};

/// For what comes; few clients say more than a ping.
const READ_BUFFER: usize = 512;
/// Answers that a client may leave unread before nothing more is read from it.
const MOST_UNREAD: usize = 64 * 1024;
/// Frames that are taken before others may run.
const TURN: usize = 16;

/// Holds a client's socket to its end.
pub(super) async fn hold(socket: TcpStream, early: Bytes, mut session: Session, clock: Clock) {
    let queue = session.caller().gate.write_queue.clone();
    let line = ConnectionWriter::open(socket, Format::HubJsonWebSocket, &queue);
    let largest = largest_message(&session.pod);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest));
    let mut frames = WebSocketContext::from_partially_read(early.to_vec(), Role::Server, Some(config));
    // It is a part of HTTP's buffer, and would keep the whole.
    drop(early);
    let closing = talk(&line, &mut frames, &mut session, clock).await;
    conclude(&closing, &*line);
    let code = match closing {
        Closing::Refused(_) | Closing::Fault(_) => CloseCode::Policy,
        Closing::Left | Closing::Ended(_) => CloseCode::Normal,
    };
    let end = CloseFrame { code, reason: closing.as_str().into() };
    frames.close(&mut Socket(&line), Some(end)).ok();
    close(&line).await;
}

async fn talk(
    line: &Arc<ConnectionWriter>,
    frames: &mut WebSocketContext,
    session: &mut Session,
    mut clock: Clock,
) -> Closing {
    let mut may_read = true;
    loop {
        if std::mem::take(&mut may_read)
            && let Err(closing) = read(line, frames, session).await
        {
            return closing;
        }
        let readable = match line.unsent() < MOST_UNREAD {
            true => Either::Left(line.socket().readable()),
            false => Either::Right(async {
                line.flushed().await;
                Ok(())
            }),
        };
        tokio::select! {
            over = line.closed() => return match over {
                Closed::Broken => Closing::Left,
                Closed::Ended(end) => end.into(),
            },
            ready = readable => match ready {
                Ok(()) => may_read = true,
                Err(_) => return Closing::Left,
            },
            tick = clock.tick() => match tick {
                Tick::Heartbeat if session.is_open() => line.heartbeat(),
                Tick::Heartbeat => {}
                Tick::End(end) => return end.into(),
            },
            () = sleep_until(session.deadline()) => return session.late(),
        }
    }
}

/// Reads what is there.
async fn read(
    line: &Arc<ConnectionWriter>,
    frames: &mut WebSocketContext,
    session: &mut Session,
) -> Result<(), Closing> {
    for taken in 1.. {
        if line.unsent() >= MOST_UNREAD {
            return Ok(());
        }
        match frames.read(&mut Socket(line)) {
            Ok(Frame::Text(_)) if line.format().encoding() == Some(Encoding::MessagePack) => {
                return Err(Closing::Fault("binary was agreed in the handshake, and this is text".to_owned()));
            }
            Ok(Frame::Text(text)) => Box::pin(session.hear(text.as_bytes(), line)).await?,
            Ok(Frame::Binary(bytes)) => Box::pin(session.hear(&bytes, line)).await?,
            Ok(Frame::Ping(_) | Frame::Pong(_)) => {
                session.is_there();
                // Its answer waits in the library until somebody flushes.
                frames.flush(&mut Socket(line)).ok();
            }
            Ok(Frame::Close(_) | Frame::Frame(_)) => {}
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(Error::Capacity(_)) => {
                let largest = largest_message(&session.pod);
                return Err(Closing::Fault(signalr::ProtocolError::TooLarge(largest).to_string()));
            }
            Err(Error::Utf8(_)) => return Err(Closing::Fault("the text is not UTF-8".to_owned())),
            Err(Error::Protocol(error))
                if !matches!(error, tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) =>
            {
                return Err(Closing::Fault(error.to_string()));
            }
            Err(_) => return Err(Closing::Left),
        }
        if taken % TURN == 0 {
            yield_now().await;
        }
    }
    Ok(())
}

/// The socket as the library sees it: what it writes (its own answers to pings and closes) takes its turn among the rest.
struct Socket<'a>(&'a Arc<ConnectionWriter>);

impl Read for Socket<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.socket().try_read(into)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(Bytes::copy_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Carrier for Arc<ConnectionWriter> {
    fn speak(&self, encoding: Encoding) -> bool {
        self.format().with(encoding).map(|format| self.set_format(format)).is_some()
    }

    fn answer(&self, handshake: Vec<u8>) {
        self.send(self.format().wrap(handshake));
    }

    fn say(&self, message: &Message) {
        self.send(self.format().message(message));
    }

    fn tell(&self, telling: EventFeed) {
        ConnectionWriter::set_feed(self, telling);
    }

    fn unread(&self) -> usize {
        self.unsent()
    }
}
