//! Writing to a socket: what is written, in which order, and when.
//!
//! An event waits in its connection's outbox. The outbox's waker puts the connection's writer on the environment's
//! queue, and the dispatcher, once it has handled the entries at hand, has every writer on the queue take what waits
//! and write it in one call.
//!
//! In order of flow:
//!
//! - [`takeover`]: takes a request's socket from HTTP
//! - [`queue`]: the writers of an environment whose outbox got something
//! - [`writer`]: a socket and its buffer; writes when the queue, a request or the socket allows it
//! - [`socket`]: of TCP, of TLS ([`tls_socket`]), or a stream of HTTP/2 ([`http2_stream`])
//! - [`buffer`]: frames not written yet, in order; fills itself from [`feed`], a connection's subscription
//! - [`format`](mod@format): the bytes of each wire format; [`sse`]: those of plain server-sent events
//! - [`timer`]: when a heartbeat is due, and when a connection must end; [`close`](mod@close): how it ends

pub mod buffer;
pub mod close;
pub mod feed;
pub mod format;
pub mod http2_stream;
pub mod queue;
pub mod socket;
pub mod sse;
pub mod takeover;
pub mod timer;
pub mod tls_socket;
pub mod writer;
