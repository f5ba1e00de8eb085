//! Tells the other pods how many connections this one holds, and compares.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::pod::{EnvironmentState, Pod};

/// Keeps an environment's balance until the pod is told to stop.
pub(crate) async fn keep_balance(pod: Pod, environment: Arc<EnvironmentState>) {
    let interval = pod.config.balance.interval;
    let EnvironmentState { name, balance, peers, dispatch, .. } = &*environment;
    loop {
        tokio::select! {
            () = pod.stopping.cancelled() => break,
            () = sleep(jittered(interval)) => {}
        }
        // A pod that cannot serve should get none, and none of its own should be sent to others in haste.
        let held = dispatch.health.borrow().is_complete().then(|| pod.connections.taken(name));
        let is_told = peers.tell_held(held).await;
        balance.compare(held.filter(|_| is_told), Instant::now());
        balance.report(name.as_str());
    }
    // From now on all are sent away over the grace.
    balance.compare(None, Instant::now());
    balance.report(name.as_str());
    peers.tell_held(None).await;
}

/// A tenth shorter or longer, so that pods do not decide in step.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::random_range(0.9..1.1))
}
