//! The hub over server-sent events: this pod holds the stream, and what the client says comes by POST, to any pod.

use std::sync::Arc;

use tokio::{net::TcpStream, time::sleep_until};

use super::{
    closing::Closing,
    held::{Asked, Holding},
    session::{Session, conclude},
};
use crate::connection::{
    clock::{Clock, Tick},
    farewell::{farewell, left},
    format::Format,
    line::{Line, Over},
    wire,
};

/// Holds a client's stream to its end.
pub(super) async fn hold(socket: TcpStream, format: Format, mut session: Session, clock: Clock, holding: Holding) {
    let listed = session.caller().gate.dispatch.listed().clone();
    let line = Line::own(socket, format, &listed);
    let closing = talk(&line, &mut session, clock, holding).await;
    conclude(&closing, &*line);
    if format.is_chunked() {
        line.send(wire::LAST_CHUNK);
    }
    farewell(&line).await;
}

async fn talk(line: &Arc<Line>, session: &mut Session, mut clock: Clock, mut holding: Holding) -> Closing {
    loop {
        tokio::select! {
            over = line.over() => return match over {
                Over::Broken => Closing::Left,
                Over::Ended(end) => end.into(),
            },
            () = left(line) => return Closing::Left,
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
                Tick::Beat if session.is_open() => line.beat(),
                Tick::Beat => {}
                Tick::End(end) => return end.into(),
            },
            // Its pings may end on other pods, so only the handshake must come in time; a dead reader fails its writes.
            () = sleep_until(session.deadline()), if !session.is_open() => return session.late(),
        }
    }
}
