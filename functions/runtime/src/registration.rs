//! Registers a worker's function in the environment's catalogue, from which gateways read it.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use model::catalogue::Description;
use storage::Catalogue;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

/// The time limit of the storage.
const STORAGE_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Puts a description into the catalogue, again and again until it succeeds.
pub(crate) async fn register(catalogue: Catalogue, description: Description) {
    let kind = description.kind.clone();
    let bytes = match serde_json::to_vec(&description) {
        Ok(bytes) => bytes::Bytes::from(bytes),
        Err(error) => return warn!(%kind, %error, "the description of the function is no JSON"),
    };
    let pauses = ExponentialBuilder::new().with_min_delay(FIRST_PAUSE).with_max_delay(MAX_PAUSE);
    for pause in pauses.with_jitter().without_max_times().build() {
        let error = match timeout(STORAGE_TIMEOUT, catalogue.put(&kind, bytes.clone())).await {
            Ok(Ok(())) => return info!(%kind, "registered in the catalogue"),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the storage does not answer".to_owned(),
        };
        warn!(%kind, error, "the function is not registered in the catalogue yet; it is tried again");
        sleep(pause).await;
    }
}
