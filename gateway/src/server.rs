//! The gateway's port: accepts connections, serves them, and sends them away at the end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures_util::FutureExt;
use process::{Condition, Readiness, Telemetry};
use storage::Storage;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinError, JoinSet},
    time::{Instant, sleep, timeout},
};
use tracing::{error, info, warn};

use crate::{
    config::GatewayConfig,
    connection::{Serving, serve, tls::Tls},
    pod::Pod,
    rate_limit::RateLimit,
    routes::routes,
    sockets::{SocketLimits, Sockets},
    start::{ServedEnvironment, Started, start},
};

/// Sockets that may wait to be accepted; the kernel may allow fewer (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;
/// The time in which the rate gives as many sockets as may be accepted at once.
const ACCEPT_BURST: Duration = Duration::from_millis(50);
/// The time that requests under way may take after the grace.
const LAST_RESPONSES: Duration = Duration::from_secs(5);

/// A gateway that is bound and not yet served.
pub struct Gateway {
    acceptor: Acceptor,
    tls: Option<Arc<Tls>>,
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
        telemetry: Telemetry,
    ) -> anyhow::Result<Self> {
        let acceptor = Acceptor::bind(&config)
            .with_context(|| format!("gateway.listen (BELLWIRE_GATEWAY__LISTEN): {} cannot be used", config.listen))?;
        let tls = config.tls.as_ref().map(Tls::open).transpose()?.map(Arc::new);
        let limits = SocketLimits::of_process(&config);
        config.connections = limits.connections;
        let mut started = start(config, served, storage, issues_dev_tokens, readiness, telemetry);
        if let Some(tls) = &tls {
            started.background.spawn(tls.clone().keep_fresh().map(Ok));
        }
        Ok(Self { acceptor, tls, sockets: Sockets::new(limits), started, ready: readiness.condition("gateway") })
    }

    /// The address of the port.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.acceptor.listener.local_addr()
    }

    /// Serves until `shutdown` and, no longer ready, for as long as it lingers; then sends its connections away over the
    /// grace.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { mut acceptor, tls, sockets, started, ready } = self;
        let Started { pod, mut dispatchers, mut background, mut poll_sessions } = started;
        let serving = Serving { routes: routes(pod.clone()), pod: pod.clone(), tls };
        let mut connections = JoinSet::new();
        ready.ready();
        let told_to_stop = async {
            shutdown.await;
            let linger = pod.config.linger;
            info!(?linger, "stopping: not ready, and accepting until those in front have seen it");
            ready.not_ready("stopping");
            pod.stopping.cancel();
            sleep(linger).await;
        };
        tokio::pin!(told_to_stop);
        loop {
            tokio::select! {
                accepted = acceptor.accept() => match accepted {
                    Ok((stream, peer)) => match sockets.admit() {
                        Some(socket) => {
                            connections.spawn(serve(stream, peer.ip(), socket, serving.clone()))
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
                () = &mut told_to_stop => break,
            };
        }
        // Nothing new from here on; requests and streams under way end in their time.
        drop((serving, acceptor, poll_sessions));
        send_away(&pod, connections).await;
        background.shutdown().await;
        Ok(())
    }
}

/// Tells the connections to go, each at a moment of its own within the grace, and waits for their end.
async fn send_away(pod: &Pod, mut connections: JoinSet<()>) {
    let grace = pod.config.grace;
    info!(connections = connections.len(), ?grace, "sending connections away");
    pod.draining.cancel();
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            log_panic(ended);
        }
    };
    if timeout(grace + LAST_RESPONSES, all_ended).await.is_err() {
        warn!(connections = connections.len(), "the grace is over; the rest is cut");
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
