//! Readiness: named conditions, each set by the part that owns it. A process is ready when all hold.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use tokio::sync::watch;

/// All conditions of a process; cheap to clone. Without any, it is not ready.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<watch::Sender<BTreeMap<String, State>>>);

/// The state of a condition, with a reason for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It holds.
    Ready,
    /// It holds in part: the process still counts as ready.
    Degraded(String),
    /// It does not hold.
    NotReady(String),
}

/// One condition, held by its owner; once dropped it no longer holds.
#[derive(Debug)]
pub struct Condition {
    name: String,
    all: Readiness,
}

impl Readiness {
    /// Adds a condition under a name of its own; it does not hold yet.
    pub fn condition(&self, name: impl Into<String>) -> Condition {
        let condition = Condition { name: name.into(), all: self.clone() };
        condition.not_ready("starting");
        condition
    }

    /// True if every condition holds, at least in part.
    pub fn is_ready(&self) -> bool {
        let all = self.0.borrow();
        !all.is_empty() && !all.values().any(|state| matches!(state, State::NotReady(_)))
    }

    /// Returns once every condition holds.
    pub async fn ready(&self) {
        let mut changes = self.0.subscribe();
        // This value keeps the sending side alive, so the wait cannot fail.
        let _ = changes.wait_for(|_| true).await;
        while !self.is_ready() {
            let _ = changes.changed().await;
        }
    }

    /// A line for the whole, then one for each condition that does not hold in full.
    pub fn describe(&self) -> String {
        let mut text = match self.is_ready() {
            true => "ready\n".to_owned(),
            false => "not ready\n".to_owned(),
        };
        for (name, state) in self.0.borrow().iter() {
            // Writing to a String does not fail.
            let _ = match state {
                State::Ready => Ok(()),
                State::Degraded(reason) => writeln!(text, "{name}: degraded: {reason}"),
                State::NotReady(reason) => writeln!(text, "{name}: {reason}"),
            };
        }
        text
    }
}

impl Condition {
    /// It holds from now on.
    pub fn ready(&self) {
        self.set(State::Ready);
    }

    /// It holds in part.
    pub fn degraded(&self, reason: impl Into<String>) {
        self.set(State::Degraded(reason.into()));
    }

    /// It does not hold.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(State::NotReady(reason.into()));
    }

    fn set(&self, state: State) {
        self.all.0.send_if_modified(|all| {
            if all.get(&self.name) == Some(&state) {
                return false;
            }
            tracing::debug!(condition = self.name, ?state, "readiness");
            all.insert(self.name.clone(), state);
            true
        });
    }
}

impl Drop for Condition {
    fn drop(&mut self) {
        self.not_ready("its owner has ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_every_condition_holds() {
        let readiness = Readiness::default();
        assert!(!readiness.is_ready(), "nothing is known yet");
        let (log, broker) = (readiness.condition("log of prod"), readiness.condition("broker"));
        log.ready();
        assert_eq!(readiness.describe(), "not ready\nbroker: starting\n");
        broker.degraded("away");
        assert!(readiness.is_ready());
        assert_eq!(readiness.describe(), "ready\nbroker: degraded: away\n");
        broker.ready();
        assert_eq!(readiness.describe(), "ready\n");
    }

    #[test]
    fn a_condition_whose_owner_is_gone_does_not_hold() {
        let readiness = Readiness::default();
        let log = readiness.condition("log");
        log.ready();
        drop(log);
        assert_eq!(readiness.describe(), "not ready\nlog: its owner has ended\n");
    }

    #[tokio::test]
    async fn readiness_can_be_waited_for() {
        let readiness = Readiness::default();
        let log = readiness.condition("log");
        let waiting = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.ready().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        log.ready();
        tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await.unwrap().unwrap();
    }
}
