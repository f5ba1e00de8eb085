//! A worker says what it is: its description lies in the environment's storage, where gateways read it.

use std::time::Duration;

use model::catalogue::Description;
use storage::Catalogue;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

/// How long the storage may take.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Puts a description into the catalogue; returns when it stands.
pub(crate) async fn introduce(catalogue: Catalogue, description: Description) {
    let kind = description.kind.clone();
    let bytes = match serde_json::to_vec(&description) {
        Ok(bytes) => bytes::Bytes::from(bytes),
        Err(error) => return warn!(%kind, %error, "what the function says of itself is no JSON"),
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let why = match timeout(PATIENCE, catalogue.put(&kind, bytes.clone())).await {
            Ok(Ok(())) => return info!(%kind, "the catalogue knows it"),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the storage does not answer".to_owned(),
        };
        warn!(%kind, error = why, "the catalogue does not know it yet; it is tried again");
        sleep(pause.mul_f64(rand::random_range(0.75..1.25))).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
