//! The gateway's port: accepts connections, serves them, and sends them away at the end.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use anyhow::Context as _;
use axum::{Router, http::Request};
use bytes::Bytes;
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioTimer, service::TowerToHyperService};
use process::{Condition, Readiness};
use socket2::SockRef;
use storage::Storage;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinError, JoinSet},
    time::{Instant, sleep, timeout},
};
use tracing::{Instrument, Span, debug, error, info, info_span, warn};

use crate::{
    client_address::{ClientAddress, is_in, of_request, read_proxy_header},
    config::GatewayConfig,
    pod::Pod,
    rate_limit::RateLimit,
    routes::routes,
    sockets::{OpenSocket, SocketLimits, SocketUse, Sockets},
    start::{ServedEnvironment, Started, start},
    write::{
        close::linger,
        takeover::{HttpSocket, LARGEST_HEAD, Takeover},
    },
};

/// The time limit for a header of the PROXY protocol, which comes with the connection.
const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection whose bytes stay unacknowledged for this long is ended.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Sockets that may wait to be accepted; the kernel may allow fewer (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;
/// The time in which the rate gives as many sockets as may be accepted at once.
const ACCEPT_BURST: Duration = Duration::from_millis(50);
/// The time that requests under way may take after the grace.
const LAST_RESPONSES: Duration = Duration::from_secs(5);

/// A gateway that is bound and not yet served.
pub struct Gateway {
    acceptor: Acceptor,
    sockets: Sockets,
    started: Started,
    ready: Condition,
}

impl Gateway {
    /// Binds the port and starts to follow the logs; it is ready as `readiness` says.
    pub fn bind(
        mut config: GatewayConfig,
        served: Vec<ServedEnvironment>,
        storage: Storage,
        issues_dev_tokens: bool,
        readiness: &Readiness,
    ) -> anyhow::Result<Self> {
        let acceptor = Acceptor::bind(&config)
            .with_context(|| format!("gateway.listen (BELLWIRE_GATEWAY__LISTEN): {} cannot be used", config.listen))?;
        let limits = SocketLimits::of_process(&config);
        config.connections = limits.connections;
        let started = start(config, served, storage, issues_dev_tokens, readiness);
        Ok(Self { acceptor, sockets: Sockets::new(limits), started, ready: readiness.condition("gateway") })
    }

    /// The address of the port.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.acceptor.listener.local_addr()
    }

    /// Serves until `shutdown`, then sends its connections away over the grace.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Started { pod, dispatchers, background, poll_sessions } = &mut self.started;
        let routes = routes(pod.clone());
        let mut connections = JoinSet::new();
        self.ready.ready();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                accepted = self.acceptor.accept() => match accepted {
                    Ok((stream, peer)) => match self.sockets.admit() {
                        Some(socket) => {
                            connections.spawn(serve(stream, peer.ip(), socket, routes.clone(), pod.clone()))
                        }
                        None => continue,
                    },
                    Err(error) => {
                        // Out of file descriptors, most likely: the connections that exist go on.
                        error!(%error, "a connection could not be accepted");
                        sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                Some(session) = poll_sessions.recv() => connections.spawn(session),
                Some(ended) = connections.join_next(), if !connections.is_empty() => {
                    log_panic(ended);
                    continue;
                }
                ended = dispatchers.join_next() => {
                    let error = match ended {
                        Some(Ok(Err(error))) => error.into(),
                        Some(Err(panic)) => anyhow::Error::from(panic),
                        Some(Ok(Ok(()))) | None => anyhow::anyhow!("it ended"),
                    };
                    return Err(error.context("a dispatcher has ended, so this pod can serve nobody"));
                }
                Some(ended) = background.join_next() => {
                    // Without an error one ends only after its dispatcher, which is handled above.
                    ended.map_err(anyhow::Error::from).flatten().context("a background task of an environment has failed")?;
                    continue;
                }
                () = &mut shutdown => break,
            };
        }
        self.drain(connections).await;
        Ok(())
    }

    async fn drain(self, mut connections: JoinSet<()>) {
        let Started { pod, poll_sessions, mut background, dispatchers: _dispatchers } = self.started;
        self.ready.not_ready("stopping");
        let grace = pod.config.grace;
        info!(connections = connections.len(), ?grace, "sending connections away");
        // Nothing new from here on; requests and streams under way end in their time.
        drop(self.acceptor);
        drop(poll_sessions);
        pod.draining.cancel();
        let all_ended = async {
            while let Some(ended) = connections.join_next().await {
                log_panic(ended);
            }
        };
        if timeout(grace + LAST_RESPONSES, all_ended).await.is_err() {
            warn!(connections = connections.len(), "the grace is over; the rest is cut");
        }
        background.shutdown().await;
    }
}

/// Accepts sockets at a bounded rate. What the first steps of new ones cost would otherwise come before the events that
/// all others wait for.
struct Acceptor {
    listener: TcpListener,
    limit: RateLimit,
}

impl Acceptor {
    fn bind(config: &GatewayConfig) -> std::io::Result<Self> {
        let socket = if config.listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(config.listen)?;
        let listener = socket.listen(BACKLOG)?;
        // Never less than one.
        let burst = ACCEPT_BURST.max(Duration::from_secs(1) / config.accepts.get());
        Ok(Self { listener, limit: RateLimit::new(config.accepts, burst, Instant::now()) })
    }

    /// The next socket; nothing is lost when this future is dropped.
    async fn accept(&mut self) -> std::io::Result<(TcpStream, SocketAddr)> {
        loop {
            let wait = self.limit.wait(Instant::now(), 1);
            if wait.is_zero() {
                break;
            }
            sleep(wait).await;
        }
        let accepted = self.listener.accept().await?;
        self.limit.charge(Instant::now(), 1);
        Ok(accepted)
    }
}

async fn serve(mut socket: TcpStream, peer: IpAddr, place: OpenSocket, routes: Router, pod: Pod) {
    if let Err(error) = set_options(&socket) {
        debug!(%error, "a connection was gone before it was served");
        return;
    }
    let address = match Box::pin(connection_address(&mut socket, peer, &pod.config)).await {
        Ok(address) => address,
        Err(error) => return warn!(%peer, %error, "a trusted proxy's connection was refused"),
    };
    let takeover = Takeover::default();
    let routes = TowerToHyperService::new(routes);
    let (extension, socket_use) = (takeover.clone(), place.as_use().clone());
    let (source, trusted) = (pod.config.client_address, pod.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(extension.clone());
        request.extensions_mut().insert(socket_use.clone());
        let span = match of_request(address, request.headers(), source, &trusted.config.trusted_proxies) {
            Some(client) => info_span!("request", %client),
            None => Span::none(),
        };
        let (response, socket) = (routes.call(request).instrument(span), socket_use.clone());
        async move { response.await.map(|response| response.map(|body| AnswerBody { body, socket })) }
    });
    let mut http = http1::Builder::new();
    // hyper has one limit for a head and for the wait before it.
    http.max_buf_size(LARGEST_HEAD)
        .max_header_size(LARGEST_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(pod.config.keep_alive);
    let socket = HttpSocket::new(socket, takeover.clone(), pod.config.body_silence);
    let mut http = Box::pin(http.serve_connection(socket, service));
    let mut is_draining = false;
    let mut draining = Box::pin(pod.draining.clone().cancelled_owned());
    drop(pod);
    let ended = poll_fn(|cx| {
        if place.as_use().must_close(cx) {
            return Poll::Ready(None);
        }
        if !is_draining && draining.as_mut().poll(cx).is_ready() {
            is_draining = true;
            http.as_mut().graceful_shutdown();
        }
        match http.as_mut().poll(cx) {
            Poll::Pending if takeover.is_due() => Poll::Ready(Some(Ok(()))),
            other => other.map(Some),
        }
    });
    match ended.await {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            debug!(%error, "a connection broke");
            if error.is_parse_too_large() {
                // Apart, so that no connection has room for its buffer.
                Box::pin(linger(Pin::into_inner(http).into_parts().io.into_inner())).await;
            }
            return;
        }
        None => return debug!("a connection made room for others"),
    }
    let Some(handler) = takeover.take() else {
        return;
    };
    drop(draining);
    // From here on it counts as a connection of its user, until its end.
    if !place.as_use().take_over() {
        return;
    }
    let taken = {
        let parts = Pin::into_inner(http).into_parts();
        handler(parts.io.into_inner(), parts.read_buf)
    };
    taken.await;
}

/// The address that a connection comes from, in the words of a trusted proxy if those come first.
async fn connection_address(socket: &mut TcpStream, peer: IpAddr, config: &GatewayConfig) -> io::Result<IpAddr> {
    if config.client_address != ClientAddress::ProxyProtocol || !is_in(&config.trusted_proxies, peer) {
        return Ok(peer);
    }
    let read = timeout(PROXY_HEADER_TIMEOUT, read_proxy_header(socket)).await;
    Ok(read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??.unwrap_or(peer))
}

/// The body of an answer; with its end the socket waits for the next request.
struct AnswerBody {
    body: axum::body::Body,
    socket: SocketUse,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.socket.end_request();
    }
}

/// Events are small and must not wait for more; a client that acknowledges nothing for a while is gone.
fn set_options(socket: &TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    SockRef::from(socket).set_tcp_user_timeout(Some(TCP_USER_TIMEOUT))
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a connection's task has panicked");
    }
}

#[cfg(test)]
mod tests {
    use std::net;

    use super::*;

    /// The time, as the runtime counts it, in which an acceptor of this rate accepts so many sockets that wait.
    async fn time_to_accept(accepts: u32, sockets: usize) -> Duration {
        let config = GatewayConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            accepts: accepts.try_into().unwrap(),
            ..GatewayConfig::default()
        };
        let mut acceptor = Acceptor::bind(&config).unwrap();
        let address = acceptor.listener.local_addr().unwrap();
        let _clients: Vec<_> = (0..sockets).map(|_| net::TcpStream::connect(address).unwrap()).collect();
        let begun = Instant::now();
        for _ in 0..sockets {
            acceptor.accept().await.unwrap();
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn sockets_are_accepted_at_the_rate_and_a_few_at_once() {
        assert!(time_to_accept(100, 5).await.is_zero());
        let many = time_to_accept(100, 105).await;
        assert!((Duration::from_millis(900)..Duration::from_millis(1200)).contains(&many), "{many:?}");
        let slow = time_to_accept(1, 4).await;
        assert!((Duration::from_millis(2900)..Duration::from_millis(3100)).contains(&slow), "{slow:?}");
    }
}
