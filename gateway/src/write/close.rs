//! Closing a connection: what was queued is sent first, and the client may close before the pod does.

use std::{io, net::Shutdown, sync::Arc, time::Duration};

use socket2::SockRef;
use tokio::{net::TcpStream, time::timeout};

use super::writer::ConnectionWriter;

/// The time for sending what is queued.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for the client to close.
const EOF_TIMEOUT: Duration = Duration::from_secs(2);
/// The bytes that a client may send on a connection that nothing is read from.
const MAX_IGNORED: usize = 4096;

/// The bytes that a client may still send of a request that was refused.
const MAX_REFUSED: usize = 1 << 20;

/// Reads on for a moment after a refusal: closing with something unread would reset the connection before the client has
/// read why.
pub(crate) async fn linger(socket: TcpStream) {
    let discard = async {
        let (mut discarded, mut bytes) = (0, [0; 4096]);
        while discarded < MAX_REFUSED && socket.readable().await.is_ok() {
            match socket.try_read(&mut bytes) {
                Ok(0) => return,
                Ok(count) => discarded += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    timeout(EOF_TIMEOUT, discard).await.ok();
}

/// Sends what is queued, and closes.
pub(crate) async fn close(writer: &Arc<ConnectionWriter>) {
    if timeout(FLUSH_TIMEOUT, writer.flushed()).await.is_err() {
        return;
    }
    // Closing at once with something unread would reset the connection, and discard what was sent last.
    if SockRef::from(&writer.socket).shutdown(Shutdown::Write).is_ok() {
        timeout(EOF_TIMEOUT, wait_for_eof(writer)).await.ok();
    }
}

/// Waits until the client, which has nothing to send, has gone.
pub(crate) async fn wait_for_eof(writer: &Arc<ConnectionWriter>) {
    let mut ignored = 0;
    let mut bytes = [0; 64];
    while ignored < MAX_IGNORED && writer.socket.readable().await.is_ok() {
        match writer.socket.try_read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => ignored += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
