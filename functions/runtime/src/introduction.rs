//! Introduces a function to the environment's gateways, and again when the files of its definitions have changed.

use std::{sync::Arc, time::Duration};

use metrics::{Gauge, gauge};
use model::catalogue::Description;
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info};

use crate::{
    described::{Described, described},
    host_config::HostConfig,
    job::runner::Runner,
    registration::register,
};

/// How often the files are looked at, give or take a fifth: many workers may share a disk.
const INTERVAL: Duration = Duration::from_secs(5);

/// Introduces a function for as long as the handle lives.
pub(crate) fn spawn(runner: Arc<Runner>, config: HostConfig, first: Description) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(introduce(runner, config, first)))
}

async fn introduce(runner: Arc<Runner>, config: HostConfig, first: Description) {
    let faults = gauge!("bellwire_definition_faults", "kind" => runner.kind.to_string());
    faults.set(0.0);
    let catalogue = || runner.worker.storage.catalogue(&runner.worker.environment);
    let register = |description| AbortOnDropHandle::new(tokio::spawn(register(catalogue(), description)));
    let mut _registration = register(first);
    loop {
        sleep(INTERVAL.mul_f64(rand::random_range(0.8..1.2))).await;
        if let Some(description) = reread(&runner, &config, &faults).await {
            // The older one, if it is not there yet, is not put there any more.
            _registration = register(description);
        }
    }
}

/// What the function says of itself, if its definitions have changed and are right; else all stays.
async fn reread(runner: &Arc<Runner>, config: &HostConfig, faults: &Gauge) -> Option<Description> {
    let (kind, function) = (&runner.kind, runner.function.clone());
    let read = match spawn_blocking(move || function.reread()).await {
        Ok(read) => read?,
        Err(error) => {
            error!(%kind, %error, "definitions could not be read again; those from before stay");
            faults.set(1.0);
            return None;
        }
    };
    if let Err(wrong) = read {
        error!(%kind, error = %wrong, "definitions have changed and are wrong; those from before stay");
        faults.set(wrong.faults.len() as f64);
        return None;
    }
    match described(&runner.worker, config, runner.function.as_ref()) {
        Ok(Described { description, policies, .. }) => {
            runner.set_policies(policies);
            faults.set(0.0);
            info!(%kind, "definitions have changed and were read again");
            Some(description)
        }
        Err(error) => {
            error!(%kind, %error, "definitions have changed and cannot be offered");
            faults.set(1.0);
            None
        }
    }
}
