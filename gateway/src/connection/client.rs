//! What all requests of a connection share.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicBool},
};

use axum::{Router, http::Request};
use tracing::{Span, info_span};

use crate::{
    client_address::of_request,
    pod::Pod,
    sockets::{RequestUse, SocketUse},
    write::takeover::Takeover,
};

/// Who sends a connection's requests, and who answers them; cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) routes: Router,
    pub(super) pod: Pod,
    /// Set when it should come back on another connection, of which there is one for all streams of HTTP/2.
    pub(super) goes_elsewhere: Arc<AtomicBool>,
    address: IpAddr,
    socket: SocketUse,
}

impl Client {
    pub(super) fn new(routes: Router, pod: Pod, address: IpAddr, socket: SocketUse) -> Self {
        Self { routes, pod, goes_elsewhere: Arc::default(), address, socket }
    }

    /// Gives a request what its routes ask for, and returns its use of the socket and its span.
    pub(super) fn prepare<B>(&self, request: &mut Request<B>, takeover: Takeover) -> (RequestUse, Span) {
        let request_use = self.socket.request();
        request.extensions_mut().insert(takeover);
        request.extensions_mut().insert(request_use.clone());
        let config = &self.pod.config;
        let span = match of_request(self.address, request.headers(), config.client_address, &config.trusted_proxies) {
            Some(client) => info_span!("request", %client),
            None => Span::none(),
        };
        (request_use, span)
    }
}
