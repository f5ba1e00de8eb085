//! A gateway from its bound port to its end.

use std::{future::poll_fn, net::SocketAddr, pin::Pin, task::Poll, time::Duration};

use anyhow::Context;
use axum::{Router, http::Request};
use backplane::follow::ReadHealth;
use futures_util::FutureExt;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioTimer, service::TowerToHyperService};
use process::{Condition, Readiness};
use socket2::SockRef;
use storage::Storage;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    config::GatewayConfig,
    dispatch::lost_workers::LostWorkers,
    hub::home::Birth,
    pod::{Begun, Dispatchers, Pod, Served},
    routes::routes,
    write::takeover::{HttpSocket, Takeover},
};

/// hyper's smallest, for as long as a connection speaks HTTP.
const READ_BUFFER: usize = 8192;
/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes that stay unacknowledged for so long end their connection.
const GONE_AFTER: Duration = Duration::from_secs(30);
/// How long requests under way may take to end after the grace.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// A gateway that is bound and not yet served.
pub struct Gateway {
    listener: TcpListener,
    pod: Pod,
    dispatchers: Dispatchers,
    watchers: JoinSet<anyhow::Result<()>>,
    births: mpsc::Receiver<Birth>,
    ready: Condition,
}

impl Gateway {
    /// Binds the port and begins to follow the logs; it is ready as `readiness` says.
    pub async fn bind(
        config: GatewayConfig,
        served: Vec<Served>,
        storage: Storage,
        hands_out_tokens: bool,
        readiness: &Readiness,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("gateway.listen (BELLWIRE_GATEWAY__LISTEN): {} cannot be used", config.listen))?;
        let Begun { pod, dispatchers, ears, births } = Pod::start(config, served, storage, hands_out_tokens);
        let mut watchers = JoinSet::new();
        for gate in pod.gates() {
            let condition = readiness.condition(format!("log of {}", gate.environment));
            watchers.spawn(report(condition, gate.dispatch.health()).map(Ok));
            watchers.spawn(
                LostWorkers::new(
                    gate.environment.clone(),
                    gate.dispatch.clone(),
                    gate.backplane.log.clone(),
                    pod.config().lost,
                )
                .run()
                .map(Ok),
            );
        }
        for ear in ears {
            watchers.spawn(ear.run(pod.clone()));
        }
        Ok(Self { listener, pod, dispatchers, watchers, births, ready: readiness.condition("gateway") })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`, then sends its connections away over the grace.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let routes = routes(self.pod.clone());
        let mut connections = JoinSet::new();
        self.ready.ready();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => connections.spawn(serve(stream, routes.clone(), self.pod.draining().clone())),
                    Err(error) => {
                        // Out of file descriptors, most likely: those who are here go on.
                        error!(%error, "a connection could not be accepted");
                        sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                Some(life) = self.births.recv() => connections.spawn(life),
                Some(ended) = connections.join_next(), if !connections.is_empty() => {
                    look(ended);
                    continue;
                }
                ended = self.dispatchers.join_next() => {
                    let why = match ended {
                        Some(Ok(Err(error))) => error.into(),
                        Some(Err(panic)) => anyhow::Error::from(panic),
                        Some(Ok(Ok(()))) | None => anyhow::anyhow!("it ended"),
                    };
                    return Err(why.context("a dispatcher has ended, so this pod can serve nobody"));
                }
                Some(ended) = self.watchers.join_next() => {
                    // In peace one ends only after its dispatcher, which is looked for above.
                    ended.map_err(anyhow::Error::from).flatten().context("what watches over an environment has failed")?;
                    continue;
                }
                () = &mut shutdown => break,
            };
        }
        self.drain(connections).await;
        Ok(())
    }

    async fn drain(mut self, mut connections: JoinSet<()>) {
        self.ready.not("stopping");
        let grace = self.pod.config().grace;
        info!(connections = connections.len(), ?grace, "sending connections away");
        // Nothing new from here on; requests and streams under way end in their time.
        drop(self.listener);
        drop(self.births);
        self.pod.draining().cancel();
        let all_gone = async {
            while let Some(ended) = connections.join_next().await {
                look(ended);
            }
        };
        if timeout(grace + LAST_ANSWERS, all_gone).await.is_err() {
            warn!(connections = connections.len(), "the grace is over; the rest is cut");
        }
        self.watchers.shutdown().await;
    }
}

async fn serve(socket: TcpStream, routes: Router, draining: CancellationToken) {
    if let Err(error) = prepare(&socket) {
        debug!(%error, "a connection was gone before it was served");
        return;
    }
    let takeover = Takeover::default();
    let routes = TowerToHyperService::new(routes);
    let here = takeover.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(here.clone());
        routes.call(request)
    });
    let mut http = http1::Builder::new();
    http.max_buf_size(READ_BUFFER).timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut http = Box::pin(http.serve_connection(HttpSocket::new(socket, takeover.clone()), service));
    let mut is_told = false;
    let mut draining = Box::pin(draining.cancelled_owned());
    let ended = poll_fn(|cx| {
        if !is_told && draining.as_mut().poll(cx).is_ready() {
            is_told = true;
            http.as_mut().graceful_shutdown();
        }
        match http.as_mut().poll(cx) {
            Poll::Pending if takeover.is_due() => Poll::Ready(Ok(())),
            other => other,
        }
    });
    if let Err(error) = ended.await {
        debug!(%error, "a connection broke");
        return;
    }
    let Some(then) = takeover.take() else {
        return;
    };
    drop(draining);
    let taken = {
        let parts = Pin::into_inner(http).into_parts();
        then(parts.io.into_inner(), parts.read_buf)
    };
    taken.await;
}

/// Events are small and must not wait for more; who takes nothing for a while is gone.
fn prepare(socket: &TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    SockRef::from(socket).set_tcp_user_timeout(Some(GONE_AFTER))
}

fn look(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a connection's task has panicked");
    }
}

/// Keeps a condition of readiness as well as the log is heard.
async fn report(condition: Condition, mut health: watch::Receiver<ReadHealth>) {
    loop {
        match &*health.borrow_and_update() {
            ReadHealth::CaughtUp => condition.ready(),
            ReadHealth::CatchingUp => condition.not("reading the log"),
            ReadHealth::Away(why) => condition.degraded(format!("serving what is known; {why}")),
            ReadHealth::Stalled => condition.not("the broker is there, yet nothing of the log is heard"),
        }
        if health.changed().await.is_err() {
            return;
        }
    }
}
