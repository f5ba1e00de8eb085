//! The transport that a session sends through: the connection of a WebSocket or a stream, or a buffer for polls.

use std::sync::Arc;

use metrics::counter;
use model::Cursor;
use signalr::{Encoding, Message, handshake};

use super::close_reason::CloseReason;
use crate::write::{feed::EventFeed, writer::ConnectionWriter};

/// Sends to a client.
pub(crate) trait Transport: Sync {
    /// Sets the encoding of what is sent from here on; `false` if this transport cannot carry it.
    fn set_encoding(&self, encoding: Encoding) -> bool;
    /// Sends the answer to a handshake: bare bytes.
    fn send_handshake(&self, answer: Vec<u8>);
    /// Sends a message.
    fn send(&self, message: &Message);
    /// Sends the events of this feed from here on.
    fn set_feed(&self, feed: EventFeed);
    /// Sends no more events, and returns the cursor up to which the client has them once it has taken what waits.
    fn detach_feed(&self) -> Option<Cursor>;
    /// Bytes that the client has not taken yet.
    fn unsent_bytes(&self) -> usize;
    /// True if the client is known to have gone.
    fn is_gone(&self) -> bool;
}

/// Counts the end of a connection and sends the client its reason, unless the client closed it.
pub(super) fn send_close(reason: &CloseReason, transport: &impl Transport) {
    counter!("bellwire_connections_ended_total", "reason" => reason.as_str()).increment(1);
    send_reason(reason, transport);
}

/// Sends the client the reason of its connection's end, unless the client closed it.
pub(super) fn send_reason(reason: &CloseReason, transport: &impl Transport) {
    match reason {
        CloseReason::ClientLeft => {}
        CloseReason::HandshakeRefused(error) => transport.send_handshake(handshake::response(Some(error))),
        reason => transport.send(&reason.message()),
    }
}

impl Transport for Arc<ConnectionWriter> {
    fn set_encoding(&self, encoding: Encoding) -> bool {
        self.format().with(encoding).map(|format| self.set_format(format)).is_some()
    }

    fn send_handshake(&self, answer: Vec<u8>) {
        ConnectionWriter::send(self, self.format().wrap(answer));
    }

    fn send(&self, message: &Message) {
        ConnectionWriter::send(self, self.format().message(message));
    }

    fn set_feed(&self, feed: EventFeed) {
        ConnectionWriter::set_feed(self, feed);
    }

    fn detach_feed(&self) -> Option<Cursor> {
        ConnectionWriter::detach_feed(self)
    }

    fn unsent_bytes(&self) -> usize {
        self.unsent()
    }

    fn is_gone(&self) -> bool {
        ConnectionWriter::is_gone(self)
    }
}
