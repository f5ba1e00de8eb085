//! Closing a connection: what was queued is sent first, and the client may close before the pod does.

use std::{io, sync::Arc, time::Duration};

use tokio::time::timeout;

use super::writer::ConnectionWriter;

/// The time for sending what is queued.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for the client to close.
const EOF_TIMEOUT: Duration = Duration::from_secs(2);
/// The bytes that a client may send on a connection that nothing is read from.
const MAX_IGNORED: usize = 4096;

/// Sends what is queued, and closes.
pub(crate) async fn close(writer: &Arc<ConnectionWriter>) {
    if timeout(FLUSH_TIMEOUT, writer.flushed()).await.is_err() {
        return;
    }
    // Closing at once with something unread would reset the connection, and discard what was sent last.
    if writer.socket.shutdown() {
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
