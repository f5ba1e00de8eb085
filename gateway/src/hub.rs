//! The SignalR hub: existing clients connect unmodified, to any pod.
//!
//! - [`negotiate`]: tells a client how to connect; [`connection_token`]: the token that it sends with each request
//! - [`refresh`]: takes a newer access token for a client; [`routes`]: `/hub`; a GET opens a [`websocket`], a [`stream`] of server-sent events, or is one of many polls
//! - [`session`]: a client from its handshake to its end, over any [`transport`]; [`methods`]: what it may invoke;
//!   [`close_reason`]: why it ends
//! - [`request`]: the POSTs, polls and DELETEs of a client; [`routing`]: finds the pod that serves them, or serves
//!   them for the clients in this pod's [`registry`]; [`known_rights`]: spares passing on pings
//! - [`polling`]: the session of a client that polls; [`sessions`]: all of them
//! - [`peer_client`] and [`peer_server`]: send them to other pods and serve those of others, as [`peer_message`]s
//!   that [`peer_seal`] seals

mod close_reason;
pub mod connection_token;
pub mod known_rights;
mod methods;
pub mod negotiate;
pub mod peer_client;
mod peer_message;
mod peer_seal;
pub mod peer_server;
mod polling;
pub mod refresh;
pub mod registry;
pub mod request;
pub mod routes;
mod routing;
mod session;
pub mod sessions;
mod stream;
pub(crate) mod transport;
mod websocket;
