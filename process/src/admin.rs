//! The admin port: `/livez`, `/readyz` and `/metrics`, apart from the port that the world sees.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use crate::{prometheus, readiness::Readiness};

/// Histograms gather samples until somebody drains them.
const UPKEEP: Duration = Duration::from_secs(5);

/// An answer here is a few kilobytes; who has not read it by then does not hold up the end.
const GRACE: Duration = Duration::from_secs(1);

/// The port, bound and not yet served.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    readiness: Readiness,
}

#[derive(Clone)]
struct Shown {
    readiness: Readiness,
    metrics: PrometheusHandle,
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`.
    // A few probes and a scraper: what a connection costs does not matter here.
    #[allow(clippy::disallowed_methods)]
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let metrics = prometheus::install_recorder();
        let shown = Shown { readiness: self.readiness, metrics: metrics.clone() };
        let routes = Router::new()
            .route("/livez", get(async || "alive\n"))
            .route("/readyz", get(readyz))
            .route("/metrics", get(async |State(shown): State<Shown>| shown.metrics.render()))
            .with_state(shown);
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

    /// Serves beside `work`, exactly as long as that takes.
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

async fn readyz(State(shown): State<Shown>) -> (StatusCode, String) {
    let status = if shown.readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, shown.readiness.describe())
}

async fn upkeep(metrics: &PrometheusHandle) {
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tick.tick().await;
        metrics.run_upkeep();
    }
}
