//! One connection, from its socket to its last request.
//!
//! In order of flow:
//!
//! - [`tls`]: the certificate that is shown, and its files
//! - [`client_socket`]: the socket, of TCP or of TLS
//! - [`http1`]: a connection of HTTP/1.1, served by hyper; [`http1_socket`]: its socket
//! - [`http2`]: a connection of HTTP/2; [`http2_request`]: one of its requests
//! - [`client`]: what all its requests share

mod client;
mod client_socket;
mod http1;
mod http1_socket;
mod http2;
mod http2_request;
pub(crate) mod tls;

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use axum::Router;
use bytes::Bytes;
use socket2::SockRef;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tracing::{debug, warn};

use self::{client::Client, client_socket::ClientSocket, tls::Tls};
use crate::{
    client_address::{ClientAddress, is_in, read_proxy_header},
    config::GatewayConfig,
    pod::Pod,
    sockets::OpenSocket,
};

/// The time limit for a header of the PROXY protocol, which comes with the connection.
const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection whose bytes stay unacknowledged for this long is ended.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);
/// What a client of HTTP/2 sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What connections are served with; cheap to clone.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) routes: Router,
    pub(crate) pod: Pod,
    pub(crate) tls: Option<Arc<Tls>>,
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Serves a socket to its end.
pub(crate) async fn serve(tcp: TcpStream, peer: IpAddr, place: OpenSocket, serving: Serving) {
    if let Err(error) = set_options(&tcp) {
        return debug!(%error, "a connection was gone before it was served");
    }
    // The parts in boxes of their own: a connection that was taken from HTTP has room for none of them.
    let begun = Box::pin(async {
        tokio::select! {
            () = place.as_use().closing() => Err(io::Error::other("it made room for others")),
            () = serving.pod.draining.cancelled() => Err(io::Error::other("the pod stops")),
            begun = begin(tcp, peer, &serving) => begun,
        }
    });
    let (socket, address, protocol) = match begun.await {
        Ok(begun) => begun,
        Err(error) => return debug!(%peer, %error, "a connection ended before its first request"),
    };
    let Serving { routes, pod, tls: _ } = serving;
    let client = Client::new(routes, pod, address, place.as_use().clone());
    if protocol == Protocol::Http2 {
        return Box::pin(http2::serve(socket, place, client)).await;
    }
    let taken = Box::pin(http1::serve(socket, &place, client)).await;
    if let Some((handler, socket, early)) = taken {
        handler(socket, early).await;
    }
}

/// What comes before the first request: who is there, TLS, and the version of HTTP.
async fn begin(mut tcp: TcpStream, peer: IpAddr, serving: &Serving) -> io::Result<(ClientSocket, IpAddr, Protocol)> {
    let config = &serving.pod.config;
    let address = connection_address(&mut tcp, peer, config).await.inspect_err(|error| {
        warn!(%peer, %error, "a trusted proxy's connection was refused");
    })?;
    let mut socket = match &serving.tls {
        Some(tls) => ClientSocket::tls(tls.accept(tcp).await?, config.body_silence),
        None => ClientSocket::tcp(tcp, config.body_silence),
    };
    let protocol = timeout(config.keep_alive, protocol(&mut socket)).await??;
    Ok((socket, address, protocol))
}

/// The address that a connection comes from, in the words of a trusted proxy if those come first.
async fn connection_address(socket: &mut TcpStream, peer: IpAddr, config: &GatewayConfig) -> io::Result<IpAddr> {
    if config.client_address != ClientAddress::ProxyProtocol || !is_in(&config.trusted_proxies, peer) {
        return Ok(peer);
    }
    let read = timeout(PROXY_HEADER_TIMEOUT, read_proxy_header(socket)).await;
    Ok(read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??.unwrap_or(peer))
}

/// The version that the client speaks, by what it sends first; nothing of that is taken.
async fn protocol(socket: &mut ClientSocket) -> io::Result<Protocol> {
    let (mut first, mut count) = ([0; PREFACE.len()], 0);
    while count < first.len() {
        let read = socket.read(&mut first[count..]).await?;
        count += read;
        if read == 0 || !PREFACE.starts_with(&first[..count]) {
            break;
        }
    }
    socket.unread(Bytes::copy_from_slice(&first[..count]));
    Ok(if first == PREFACE { Protocol::Http2 } else { Protocol::Http1 })
}

/// Events are small and must not wait for more; a client that acknowledges nothing for a while is gone.
fn set_options(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    SockRef::from(socket).set_tcp_user_timeout(Some(TCP_USER_TIMEOUT))
}
