//! Log lines about tokens, of each kind one in a while: strangers choose how many tokens are refused.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use tokio::time::Instant;
use tracing::{info, warn};

use super::error::TokenError;
use crate::lock::lock;

/// The time between two lines of a kind.
const PAUSE: Duration = Duration::from_secs(30);
/// Most kinds that are told apart.
const MAX_KINDS: usize = 256;

/// When the next line of each kind may be written.
#[derive(Debug, Default)]
pub struct RefusalLog(Mutex<HashMap<(&'static str, String), Kind>>);

#[derive(Debug)]
struct Kind {
    next: Instant,
    /// Lines that were not written since the last one.
    unwritten: u64,
}

impl RefusalLog {
    /// Notes that a token was refused.
    pub fn refused(&self, environment: Option<&str>, error: &TokenError) {
        let (code, fault) = (error.code(), error.fault());
        let part = fault.map(|fault| fault.part.clone()).unwrap_or_default();
        let Some(unwritten) = self.take_turn(code, part) else { return };
        let found = fault.and_then(|fault| fault.found.as_deref());
        // The values were chosen by whoever sent the token: as Debug they are one line.
        info!(environment, code, reason = %error, found = ?found, unwritten, "a token is refused");
    }

    /// Notes that an entry of a claim was left out.
    pub fn left_out(&self, environment: &str, claim: &str, entry: &str, reason: &'static str) {
        let Some(unwritten) = self.take_turn("left-out", claim.to_owned()) else { return };
        warn!(environment, claim, ?entry, reason, unwritten, "an entry of a token's claim is left out");
    }

    /// The number of lines that were not written before this one, if it may be written.
    fn take_turn(&self, code: &'static str, part: String) -> Option<u64> {
        let now = Instant::now();
        let mut kinds = lock(&self.0);
        if let Some(kind) = kinds.get_mut(&(code, part.clone())) {
            if now < kind.next {
                kind.unwritten = kind.unwritten.saturating_add(1);
                return None;
            }
            kind.next = now + PAUSE;
            return Some(std::mem::take(&mut kind.unwritten));
        }
        // The parts come from the settings and from our own words, so there are few.
        if kinds.len() >= MAX_KINDS {
            return None;
        }
        kinds.insert((code, part), Kind { next: now + PAUSE, unwritten: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_each_kind_one_line_is_written_in_a_while_and_the_others_are_counted() {
        let log = RefusalLog::default();
        assert_eq!(log.take_turn("left-out", "groups".to_owned()), Some(0));
        assert_eq!(log.take_turn("left-out", "groups".to_owned()), None);
        assert_eq!(log.take_turn("left-out", "groups".to_owned()), None);
        assert_eq!(log.take_turn("left-out", "roles".to_owned()), Some(0));
        tokio::time::advance(PAUSE).await;
        assert_eq!(log.take_turn("left-out", "groups".to_owned()), Some(2));
        let written = (0..1000).filter(|number| log.take_turn("token-foreign", number.to_string()).is_some()).count();
        assert_eq!(written, MAX_KINDS - 2);
        assert_eq!(lock(&log.0).len(), MAX_KINDS, "it is bounded whatever comes");
    }
}
