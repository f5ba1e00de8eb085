//! The messages after the handshake.

use serde_json::Value;

/// A message of either side. Arguments and results are JSON values whatever the encoding: binary data of MessagePack
/// come as base64, dates as RFC 3339.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Calls a method.
    Invocation {
        /// The id for the answer; without one no answer is expected.
        id: Option<String>,
        /// The method.
        target: String,
        /// Its arguments, in order.
        arguments: Vec<Value>,
        /// Streams that the caller will send.
        streams: Vec<String>,
    },
    /// Calls a method that answers with many items.
    StreamInvocation {
        /// The id for the items.
        id: String,
        /// The method.
        target: String,
        /// Its arguments, in order.
        arguments: Vec<Value>,
        /// Streams that the caller will send.
        streams: Vec<String>,
    },
    /// An item of a stream.
    StreamItem {
        /// The stream's invocation.
        id: String,
        /// Its value.
        item: Value,
    },
    /// Answers an invocation, or ends a stream.
    Completion {
        /// The invocation.
        id: String,
        /// The outcome.
        outcome: Outcome,
    },
    /// Asks to stop a stream.
    CancelInvocation {
        /// The stream's invocation.
        id: String,
    },
    /// Keeps the connection alive.
    Ping,
    /// Ends the connection.
    Close {
        /// The error, if it is one.
        error: Option<String>,
        /// True if the client may reconnect by itself.
        allow_reconnect: bool,
    },
    /// Part of stateful reconnect: how many messages were received.
    Ack {
        /// The last one.
        sequence: u64,
    },
    /// Part of stateful reconnect: the number of the message that follows.
    Sequence {
        /// Its number.
        sequence: u64,
    },
}

/// The numbers of the messages, the same in both encodings.
pub(crate) mod kind {
    pub(crate) const INVOCATION: i64 = 1;
    pub(crate) const STREAM_ITEM: i64 = 2;
    pub(crate) const COMPLETION: i64 = 3;
    pub(crate) const STREAM_INVOCATION: i64 = 4;
    pub(crate) const CANCEL_INVOCATION: i64 = 5;
    pub(crate) const PING: i64 = 6;
    pub(crate) const CLOSE: i64 = 7;
    pub(crate) const ACK: i64 = 8;
    pub(crate) const SEQUENCE: i64 = 9;
}

/// The outcome of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It failed; a message for the caller.
    Error(String),
    /// Its result.
    Result(Value),
    /// It has none.
    Void,
}
