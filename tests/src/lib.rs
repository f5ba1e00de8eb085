//! What the scenarios stand on: real pods and workers over either backplane, and a browser's ear.
//!
//! - [`ground`]: the backplane under a scenario: memory, or RabbitMQ under its role users
//! - [`house`]: environments with keys and files; pods and workers that can be stopped and killed
//! - [`ear`]: a connection to `GET /events`, frame by frame
//! - [`hub`]: a client of the hub, message by message
//! - [`relay`]: a network that can be cut
#![allow(clippy::unwrap_used, missing_docs)]

pub mod ear;
pub mod ground;
pub mod house;
pub mod hub;
pub mod relay;

pub use ear::{Ear, Frame};
pub use ground::Ground;
pub use house::{House, Pod};
pub use hub::Hub;
pub use relay::Relay;

use std::time::Duration;

/// How long anything that must happen may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a condition that must come about.
pub async fn until<F: Future<Output = Option<T>>, T>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "it did not come about: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Makes one test of each sentence over each backplane.
#[macro_export]
macro_rules! over_both_backplanes {
    ($($sentence:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                super::$sentence($crate::House::new($crate::Ground::memory()).await).await;
            })*
        }
        mod rabbitmq {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                super::$sentence($crate::House::new($crate::Ground::rabbitmq().await).await).await;
            })*
        }
    };
}
