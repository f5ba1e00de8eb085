//! The hub over server-sent events: this pod holds the stream, and the client's messages come by POST, to any pod.

use std::sync::Arc;

use tokio::time::sleep_until;

use super::{
    close_reason::CloseReason,
    registry::{ClientCommand, Lease},
    request::{Operation, Reply},
    session::{Renewal, Session},
    transport::send_close,
};
use crate::{
    dispatch::outbox::EndReason,
    write::{
        close::{close, wait_for_eof},
        format::{Format, LAST_CHUNK},
        socket::Socket,
        timer::Tick,
        writer::{Closed, ConnectionWriter},
    },
};

/// Serves a client's stream to its end.
pub(super) async fn run(socket: Socket, format: Format, mut session: Session, lease: Lease) {
    let queue = session.caller.environment.write_queue.clone();
    let writer = ConnectionWriter::open(socket, format, &queue);
    let reason = serve(&writer, &mut session, lease).await;
    writer.drop_feed();
    // What waits may be of rights that the client no longer has; it is told again after its cursor if it still has them.
    if reason == CloseReason::RIGHTS_CHANGED && writer.unsent() > 0 {
        return;
    }
    send_close(&reason, &*writer);
    if format.is_chunked() {
        writer.send(LAST_CHUNK);
    }
    close(&writer).await;
}

async fn serve(writer: &Arc<ConnectionWriter>, session: &mut Session, mut lease: Lease) -> CloseReason {
    loop {
        let silent_until = session.deadline();
        tokio::select! {
            over = writer.closed() => return match over {
                Closed::Broken => CloseReason::ClientLeft,
                Closed::Ended(end) => end.into(),
            },
            () = wait_for_eof(writer) => return CloseReason::ClientLeft,
            command = lease.next() => match command {
                Some(ClientCommand::Request { operation: Operation::Delete, reply, .. }) => {
                    reply.send(Reply::Done).ok();
                    return CloseReason::ClientLeft;
                }
                Some(ClientCommand::Request { operation: Operation::Refresh, claims, reply }) => {
                    match Box::pin(session.refresh(&claims, writer)).await {
                        Ok(refreshed) => drop(reply.send(refreshed.into())),
                        Err(reason) => return reason,
                    }
                }
                Some(ClientCommand::Request { operation, claims, reply }) => {
                    match session.renew(&claims) {
                        Renewal::SameRights => {}
                        Renewal::Outdated => {
                            reply.send(Reply::Outdated).ok();
                            continue;
                        }
                        Renewal::OtherRights => return CloseReason::RIGHTS_CHANGED,
                    }
                    // Its events come on the stream, so there is nothing to poll for.
                    let Operation::Post(bytes) = operation else { continue };
                    let received = Box::pin(session.receive(&bytes, writer)).await;
                    // The client may be gone; its messages were handled all the same.
                    reply.send(Reply::Done).ok();
                    if let Err(reason) = received {
                        return reason;
                    }
                }
                // There is no poll whose reply could be lost.
                Some(ClientCommand::Abort) => {}
                None => return CloseReason::ClientLeft,
            },
            tick = session.timer.tick() => match tick {
                Tick::Heartbeat if session.is_open() => writer.heartbeat(),
                Tick::Heartbeat => {}
                Tick::End(end) => {
                    if end == EndReason::Draining {
                        writer.socket.send_elsewhere();
                    }
                    return end.into();
                }
            },
            // Its pings may end on other pods, so only the handshake must come in time; a dead reader fails its writes.
            () = sleep_until(silent_until), if !session.is_open() => return session.timed_out(),
        }
    }
}
