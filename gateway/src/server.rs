//! A gateway from its bound port to its end.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use axum::Router;
use backplane::follow::Hearing;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use process::{Condition, Readiness};
use storage::Storage;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, error, info, warn};

use crate::{
    config::GatewayConfig,
    lost::Lost,
    pod::{Dispatchers, Pod, Served},
    routes::routes,
};

/// hyper's smallest: an idle connection costs 12.7 KB with it and 23.6 KB without (measured, 10,000 connections).
const READ_BUFFER: usize = 8192;
/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests under way may take to end after the grace.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// A gateway that is bound and not yet served.
pub struct Gateway {
    listener: TcpListener,
    pod: Pod,
    dispatchers: Dispatchers,
    watchers: JoinSet<()>,
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
        let (pod, dispatchers) = Pod::start(config, served, storage, hands_out_tokens);
        let mut watchers = JoinSet::new();
        for gate in pod.gates() {
            let condition = readiness.condition(format!("log of {}", gate.environment));
            watchers.spawn(report(condition, gate.dispatch.hearing()));
            watchers.spawn(Lost::of(gate, pod.config().lost).run());
        }
        Ok(Self { listener, pod, dispatchers, watchers, ready: readiness.condition("gateway") })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`, then sends its connections away over the grace.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let routes = routes(self.pod.clone());
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        self.ready.ready();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => connections.spawn(serve(stream, routes.clone(), graceful.watcher())),
                    Err(error) => {
                        // Out of file descriptors, most likely: those who are here go on.
                        error!(%error, "a connection could not be accepted");
                        sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
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
                    ended.context("what watches over an environment has failed")?;
                    continue;
                }
                () = &mut shutdown => break,
            };
        }
        self.drain(graceful, connections).await;
        Ok(())
    }

    async fn drain(mut self, graceful: GracefulShutdown, mut connections: JoinSet<()>) {
        self.ready.not("stopping");
        let grace = self.pod.config().grace;
        info!(connections = connections.len(), ?grace, "sending connections away");
        // Nothing new from here on; requests and streams under way end in their time.
        drop(self.listener);
        self.pod.draining().cancel();
        let all_gone = async {
            tokio::join!(graceful.shutdown(), async {
                while let Some(ended) = connections.join_next().await {
                    look(ended);
                }
            });
        };
        if timeout(grace + LAST_ANSWERS, all_gone).await.is_err() {
            warn!(connections = connections.len(), "the grace is over; the rest is cut");
        }
        self.watchers.shutdown().await;
    }
}

async fn serve(stream: TcpStream, routes: Router, watcher: hyper_util::server::graceful::Watcher) {
    // Events are small and must not wait for more.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection was gone before it was served");
        return;
    }
    let mut http = http1::Builder::new();
    http.max_buf_size(READ_BUFFER).timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    if let Err(error) = watcher.watch(connection).await {
        debug!(%error, "a connection broke");
    }
}

fn look(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a connection's task has panicked");
    }
}

/// Keeps a condition of readiness as well as the log is heard.
async fn report(condition: Condition, mut hearing: watch::Receiver<Hearing>) {
    loop {
        match &*hearing.borrow_and_update() {
            Hearing::CaughtUp => condition.ready(),
            Hearing::CatchingUp => condition.not("reading the log"),
            Hearing::Away(why) => condition.degraded(format!("serving what is known; {why}")),
            Hearing::Deaf => condition.not("the broker is there, yet nothing of the log is heard"),
        }
        if hearing.changed().await.is_err() {
            return;
        }
    }
}
