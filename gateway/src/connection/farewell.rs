//! How a connection of our own ends: what was said is sent, and the other side may close first.

use std::{io, net::Shutdown, sync::Arc, time::Duration};

use socket2::SockRef;
use tokio::time::timeout;

use crate::connection::line::Line;

/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long the other side may take to close.
const LAST_LOOK: Duration = Duration::from_secs(2);
/// Most bytes that somebody who only listens may send.
const MOST_HEARD: usize = 4096;

/// Sends what was said, and closes.
pub(crate) async fn farewell(line: &Arc<Line>) {
    if timeout(LAST_WORDS, line.drained()).await.is_err() {
        return;
    }
    // Closing at once with something unread would take the last words back.
    if SockRef::from(line.socket()).shutdown(Shutdown::Write).is_ok() {
        timeout(LAST_LOOK, left(line)).await.ok();
    }
}

/// Waits until the other side, which has nothing to say, has gone.
pub(crate) async fn left(line: &Arc<Line>) {
    let mut heard = 0;
    let mut bytes = [0; 64];
    while heard < MOST_HEARD && line.socket().readable().await.is_ok() {
        match line.socket().try_read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => heard += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
