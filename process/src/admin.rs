//! The admin port: `/livez`, `/readyz` and `/metrics`, apart from the public port.

use std::{
    collections::VecDeque,
    future::{Future, ready},
    io,
    net::SocketAddr,
    time::Duration,
};

use anyhow::Context;
use axum::{Router, extract::Query, http::StatusCode, routing::get};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tracing::{debug, error};

use crate::{
    admin_listen::{AdminConfig, AdminListen},
    prometheus,
    readiness::Readiness,
    settings::Settings,
};

/// Interval for draining the histograms, which collect samples until then.
const UPKEEP: Duration = Duration::from_secs(5);

/// Limit for open responses at shutdown; they are a few kilobytes.
const GRACE: Duration = Duration::from_secs(1);

/// Limit for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Limit for a request with its answer, after which its connection is closed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Most connections at once: a few probes and a scraper. One more takes the place of the oldest, so that a probe is
/// answered whoever holds the others.
const MAX_CONNECTIONS: usize = 64;

/// Bytes of hyper's buffer for a connection: the smallest it allows.
const READ_BUFFER: usize = 8192;

/// The port, bound and not yet served.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    readiness: Readiness,
}

impl Admin {
    /// Binds a process's own port as `[admin]` says.
    pub async fn open(settings: &Settings, listen: AdminListen, readiness: Readiness) -> anyhow::Result<Self> {
        let address = listen.address(&settings.section::<AdminConfig>("admin")?);
        Self::bind(&address.to_string(), readiness).await.context("admin_listen")
    }

    /// Binds `host:port`; port 0 takes a free one.
    pub async fn bind(address: &str, readiness: Readiness) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            io::Error::new(error.kind(), format!("the admin port {address} cannot be used: {error}"))
        })?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, readiness })
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let metrics = prometheus::install_recorder();
        let (readiness, rendered) = (self.readiness, metrics.clone());
        let routes = Router::new()
            .route("/livez", get(async || "alive\n"))
            .route("/readyz", get(move |Query(query): Query<ReadyQuery>| ready(readyz(&readiness, &query))))
            .route("/metrics", get(move || ready(rendered.render())));
        let mut connections = Connections::default();
        tokio::pin!(shutdown);
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, _)) => connections.serve(socket, routes.clone()),
                    Err(error) => {
                        error!(%error, "a connection to the admin port could not be accepted");
                        sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = connections.tasks.join_next(), if !connections.tasks.is_empty() => {}
                _ = tick.tick() => metrics.run_upkeep(),
                () = &mut shutdown => break,
            }
        }
        drop(self.listener);
        let answered = async { while connections.tasks.join_next().await.is_some() {} };
        timeout(GRACE, answered).await.ok();
        Ok(())
    }

    /// Serves for as long as `work` runs.
    pub async fn serve_during<T>(self, work: impl Future<Output = T>) -> io::Result<T> {
        let (done, over) = tokio::sync::oneshot::channel::<()>();
        let work = async {
            let result = work.await;
            drop(done);
            result
        };
        let serving = self.run(async move { drop(over.await) });
        let (result, served) = tokio::join!(work, serving);
        served.map(|()| result)
    }
}

/// The query of a probe.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadyQuery {
    /// Whether this one is served, rather than any.
    environment: Option<String>,
}

fn readyz(readiness: &Readiness, query: &ReadyQuery) -> (StatusCode, String) {
    let is_ready = match &query.environment {
        Some(environment) => readiness.is_ready_for(environment),
        None => Some(readiness.is_ready()),
    };
    match is_ready {
        Some(true) => (StatusCode::OK, readiness.describe()),
        Some(false) => (StatusCode::SERVICE_UNAVAILABLE, readiness.describe()),
        None => (StatusCode::NOT_FOUND, "environment: this process serves no such one\n".to_owned()),
    }
}

/// The connections that are being served, the oldest first.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    oldest_first: VecDeque<AbortHandle>,
}

impl Connections {
    /// Serves one request on a connection; the oldest gives way where there are too many.
    fn serve(&mut self, socket: TcpStream, routes: Router) {
        self.oldest_first.retain(|connection| !connection.is_finished());
        if self.oldest_first.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            oldest.abort();
        }
        let mut http = http1::Builder::new();
        // One request each: nothing idle is held, and a probe connects anew anyway.
        http.max_buf_size(READ_BUFFER).timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).keep_alive(false);
        let serving = http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(routes));
        self.oldest_first.push_back(self.tasks.spawn(async move {
            match timeout(REQUEST_TIMEOUT, serving).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => debug!(%error, "a connection to the admin port broke"),
                Err(_) => debug!("a request to the admin port took too long"),
            }
        }));
    }
}
