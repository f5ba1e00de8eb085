//! Pauses between attempts to reach the broker.

use std::time::Duration;

use backon::{Backoff, BackoffBuilder, ExponentialBuilder};
use tokio::time::sleep;

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before jitter; a session that lasted longer starts the pauses anew.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Endless pauses, doubling from 100 ms to 5 s, each made up to half shorter or longer at random.
pub(super) fn backoff() -> impl Backoff {
    let pauses = ExponentialBuilder::new().with_min_delay(SHORTEST_PAUSE).with_max_delay(MAX_PAUSE);
    pauses.without_max_times().build().map(|pause| pause.mul_f64(rand::random_range(0.5..1.5)))
}

/// Sleeps for the next pause.
pub(super) async fn pause(backoff: &mut impl Backoff) {
    sleep(backoff.next().unwrap_or(MAX_PAUSE)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_a_tenth_of_a_second_to_five_and_vary_by_half() {
        for (pause, base) in backoff().zip([100, 200, 400, 800, 1600, 3200, 5000, 5000]) {
            let pause = pause.as_millis();
            assert!((base / 2 - 1..=base * 3 / 2 + 1).contains(&pause), "{pause} ms around {base}");
        }
    }
}
