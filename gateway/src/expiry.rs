//! Removes expired files of all environments, on each pod: what another pod removed first is no error.

use std::time::Duration;

use model::Environment;
use rand::random_range;
use storage::{Storage, StorageError};
use tokio::time::sleep;
use tracing::{info, warn};

/// The pause between two rounds, which is also the most that a file outlives its time.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(3600);

/// Removes, round by round, what is older than `files.keep` and what broken uploads left; never ends.
pub(crate) async fn remove_expired(storage: Storage, environments: Vec<Environment>) {
    let pause = (storage.limits().keep / 10).clamp(MIN_PAUSE, MAX_PAUSE);
    loop {
        // At random, so that pods that were started together take turns.
        sleep(pause.mul_f64(random_range(0.5..1.0))).await;
        for environment in &environments {
            let (expired, abandoned) =
                tokio::join!(storage.remove_expired(environment), storage.remove_abandoned(environment));
            report(environment, "files have expired", expired);
            report(environment, "unfinished uploads were removed", abandoned);
        }
    }
}

fn report(environment: &Environment, what: &'static str, removed: Result<u64, StorageError>) {
    match removed {
        Ok(0) => {}
        Ok(files) => info!(%environment, files, "{what}"),
        Err(error) => warn!(%environment, %error, "not all was removed that had expired; it will be"),
    }
}
