//! The admin port: `/livez`, `/readyz` and `/metrics`, apart from the public port.

use std::{
    future::{Future, ready},
    io,
    net::SocketAddr,
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
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
            .route("/readyz", get(move || ready(readyz(&readiness))))
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

fn readyz(readiness: &Readiness) -> (StatusCode, String) {
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, readiness.describe())
}

async fn upkeep(metrics: &PrometheusHandle) {
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tick.tick().await;
        metrics.run_upkeep();
    }
}
