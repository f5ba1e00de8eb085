//! The hub over server-sent events: this pod holds the stream, and what the client says comes by POST, to any pod.

use std::sync::Arc;

use tokio::{net::TcpStream, time::sleep_until};

use super::{
    closing::Closing,
    held::{Asked, Holding},
    session::{Session, conclude},
};
use crate::write::{
    clock::{Clock, Tick},
    close::{close, wait_for_eof},
    format::{Format, LAST_CHUNK},
    writer::{Closed, ConnectionWriter},
};

/// Holds a client's stream to its end.
pub(super) async fn hold(socket: TcpStream, format: Format, mut session: Session, clock: Clock, holding: Holding) {
    let queue = session.caller().gate.write_queue.clone();
    let line = ConnectionWriter::open(socket, format, &queue);
    let closing = talk(&line, &mut session, clock, holding).await;
    conclude(&closing, &*line);
    if format.is_chunked() {
        line.send(LAST_CHUNK);
    }
    close(&line).await;
}

async fn talk(line: &Arc<ConnectionWriter>, session: &mut Session, mut clock: Clock, mut holding: Holding) -> Closing {
    loop {
        tokio::select! {
            over = line.closed() => return match over {
                Closed::Broken => Closing::Left,
                Closed::Ended(end) => end.into(),
            },
            () = wait_for_eof(line) => return Closing::Left,
            asked = holding.next() => match asked {
                Some(Asked::Post { bytes, expires, done }) => {
                    clock.prolong(expires);
                    let heard = Box::pin(session.hear(&bytes, line)).await;
                    // Whoever posted may have gone; it was taken all the same.
                    done.send(()).ok();
                    if let Err(closing) = heard {
                        return closing;
                    }
                }
                // Its events come on the stream, so there is nothing to poll for.
                Some(Asked::Poll { .. } | Asked::Lost) => {}
                Some(Asked::Delete { done }) => {
                    done.send(()).ok();
                    return Closing::Left;
                }
                None => return Closing::Left,
            },
            tick = clock.tick() => match tick {
                Tick::Heartbeat if session.is_open() => line.heartbeat(),
                Tick::Heartbeat => {}
                Tick::End(end) => return end.into(),
            },
            // Its pings may end on other pods, so only the handshake must come in time; a dead reader fails its writes.
            () = sleep_until(session.deadline()), if !session.is_open() => return session.late(),
        }
    }
}
