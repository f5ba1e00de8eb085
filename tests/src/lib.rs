//! Real pods and workers over either backplane, and the browsers that listen to them.
//!
//! - [`test_backplane`]: the backplane of a scenario: memory, or RabbitMQ under its role users
//! - [`cluster`]: environments with keys and files; pods and workers that can be stopped and killed
//! - [`event_stream`]: a connection to `GET /events`, frame by frame
//! - [`hub`]: a client of the hub, message by message
//! - [`collector`]: a collector of traces
//! - [`hanging_store`]: a storage that can be made to hang
//! - `http_client`: a client for plain HTTP; [`http2`]: one of HTTP/2
//! - [`network_proxy`]: a network that can be cut
//! - [`wait`]: waits for conditions
#![allow(clippy::unwrap_used, missing_docs)]

pub mod cluster;
pub mod collector;
pub mod event_stream;
pub mod hanging_store;
pub mod http2;
mod http_client;
pub mod hub;
pub mod network_proxy;
pub mod test_backplane;
pub mod wait;

pub use cluster::{Cluster, Pod};
pub use collector::Collector;
pub use event_stream::{EventStream, Frame};
pub use hanging_store::HangingStore;
pub use http_client::http_client;
pub use http2::Http2;
pub use hub::Hub;
pub use network_proxy::NetworkProxy;
pub use test_backplane::TestBackplane;
pub use wait::{TIMEOUT, until};

/// Makes one test of each sentence over each backplane.
#[macro_export]
macro_rules! over_both_backplanes {
    ($($sentence:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                super::$sentence($crate::Cluster::new($crate::TestBackplane::memory()).await).await;
            })*
        }
        mod rabbitmq {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                super::$sentence($crate::Cluster::new($crate::TestBackplane::rabbitmq().await).await).await;
            })*
        }
    };
}
