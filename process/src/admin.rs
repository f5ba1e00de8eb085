//! The admin port: `/livez`, `/readyz` and `/metrics`, apart from the public port.

use std::{
    future::{Future, ready},
    io,
    net::SocketAddr,
    time::Duration,
};

use axum::{Router, extract::Query, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::{prometheus, readiness::Readiness};

/// Interval for draining the histograms, which collect samples until then.
const UPKEEP: Duration = Duration::from_secs(5);

/// Limit for open responses at shutdown; they are a few kilobytes.
const GRACE: Duration = Duration::from_secs(1);

/// The port, bound and not yet served.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    readiness: Readiness,
}

impl Admin {
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
    // A few probes and a scraper: the cost of a connection does not matter here.
    #[allow(clippy::disallowed_methods)]
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let metrics = prometheus::install_recorder();
        let (readiness, rendered) = (self.readiness, metrics.clone());
        let routes = Router::new()
            .route("/livez", get(async || "alive\n"))
            .route("/readyz", get(move |Query(query): Query<ReadyQuery>| ready(readyz(&readiness, &query))))
            .route("/metrics", get(move || ready(rendered.render())));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async move { drop(stopped.await) };
        let serving = async { axum::serve(self.listener, routes).with_graceful_shutdown(stopped).await };
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => return ended,
            () = upkeep(&metrics) => {}
            () = shutdown => {}
        }
        drop(stop);
        tokio::time::timeout(GRACE, serving).await.unwrap_or(Ok(()))
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

async fn upkeep(metrics: &PrometheusHandle) {
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tick.tick().await;
        metrics.run_upkeep();
    }
}
