//! The messages between pods, about clients of the hub and how many there are, sent over the control exchange. The serialised names are read by
//! pods of other versions.
//!
//! A message may be lost. The reply to a poll must not be, or a later cursor would hide it: the pod that relays it
//! confirms that all of it has arrived, and without that the client is ended and starts again from its last cursor.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::request::{ClientRequest, Reply, from_base64, to_base64};

/// Bytes of one part of a reply; as base64 they must fit into a control message.
pub(super) const PART: usize = 96 * 1024;
/// Most parts of a reply.
pub(super) const MAX_PARTS: usize = 256;
/// The time a pod may take to accept a request, or to confirm a reply in parts.
pub(super) const ACCEPT_TIMEOUT: Duration = Duration::from_secs(2);

/// A message from one pod to another; the number is that of the request, counted by the pod that sent it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PeerMessage {
    /// A client's request.
    #[serde(rename = "ask")]
    Request { number: u64, request: Box<ClientRequest> },
    /// The request is being served; a reply follows.
    #[serde(rename = "heard")]
    Accepted { number: u64 },
    /// The reply, if it is not in parts.
    #[serde(rename = "answer")]
    Reply { number: u64, reply: Reply },
    /// A part of the messages for a client.
    Part {
        number: u64,
        #[serde(rename = "at")]
        index: usize,
        is_last: bool,
        is_text: bool,
        #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
        bytes: Bytes,
    },
    /// All parts have arrived.
    #[serde(rename = "got")]
    Confirmed { number: u64 },
    /// The sender holds so many connections of the environment; none if it takes no more.
    Held { connections: Option<usize> },
}
