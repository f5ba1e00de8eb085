//! Readiness: named conditions, each set by the part that owns it, of the whole process or of one environment.
//!
//! A process is ready when its own conditions hold and, where it serves environments, those of one of them at least: a
//! broken one must not take the others out of service.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use tokio::sync::watch;

/// All conditions of a process; cheap to clone. Without any, it is not ready.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<watch::Sender<BTreeMap<Name, State>>>);

/// A condition's environment, if it is one's, and its own name.
type Name = (Option<String>, String);

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
    name: Name,
    all: Readiness,
}

impl Readiness {
    /// Adds a condition of the process under a name of its own; it does not hold yet.
    pub fn condition(&self, name: impl Into<String>) -> Condition {
        self.add((None, name.into()))
    }

    /// Adds a condition of one of the environments that the process serves; it does not hold yet.
    pub fn condition_of(&self, environment: impl Into<String>, name: impl Into<String>) -> Condition {
        self.add((Some(environment.into()), name.into()))
    }

    fn add(&self, name: Name) -> Condition {
        let condition = Condition { name, all: self.clone() };
        condition.not_ready("starting");
        condition
    }

    /// True if the conditions of the process hold, at least in part, and those of one environment, if it serves any.
    pub fn is_ready(&self) -> bool {
        is_ready(&self.0.borrow())
    }

    /// True if an environment is served: its conditions hold and those of the process; `None` if there is no such one.
    pub fn is_ready_for(&self, environment: &str) -> Option<bool> {
        let all = self.0.borrow();
        let is_served = all.keys().any(|(name, _)| name.as_deref() == Some(environment));
        is_served.then(|| holds(&all, None) && holds(&all, Some(environment)))
    }

    /// Returns once every condition holds, those of all environments as well.
    pub async fn ready(&self) {
        let is_ready = |all: &BTreeMap<Name, State>| {
            !all.is_empty() && !all.values().any(|state| matches!(state, State::NotReady(_)))
        };
        // This value keeps the sending side alive, so the wait cannot fail.
        drop(self.0.subscribe().wait_for(is_ready).await);
    }

    /// A line for the whole, then one for each condition of an environment, and for each of the process that does not hold in full.
    pub fn describe(&self) -> String {
        let all = self.0.borrow();
        let mut text = match is_ready(&all) {
            true => "ready\n".to_owned(),
            false => "not ready\n".to_owned(),
        };
        for ((environment, name), state) in all.iter() {
            let of = environment.as_ref().map(|environment| format!("{environment}: ")).unwrap_or_default();
            // Writing to a String does not fail.
            let _ = match state {
                State::Ready if environment.is_some() => writeln!(text, "{of}{name}: ready"),
                State::Ready => Ok(()),
                State::Degraded(reason) => writeln!(text, "{of}{name}: degraded: {reason}"),
                State::NotReady(reason) => writeln!(text, "{of}{name}: {reason}"),
            };
        }
        text
    }
}

fn is_ready(all: &BTreeMap<Name, State>) -> bool {
    let mut environments = all.keys().filter_map(|(environment, _)| environment.as_deref()).peekable();
    let is_one_served = environments.peek().is_none() || environments.any(|name| holds(all, Some(name)));
    !all.is_empty() && holds(all, None) && is_one_served
}

/// True if all conditions of an environment, or of the process, hold at least in part.
fn holds(all: &BTreeMap<Name, State>, environment: Option<&str>) -> bool {
    let mut states = all.iter().filter(|((of, _), _)| of.as_deref() == environment);
    !states.any(|(_, state)| matches!(state, State::NotReady(_)))
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
            let (environment, condition) = &self.name;
            tracing::debug!(environment, condition, ?state, "readiness");
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

    #[test]
    fn a_broken_environment_takes_no_other_out_of_service() {
        let readiness = Readiness::default();
        let gateway = readiness.condition("gateway");
        let (prod, test) = (readiness.condition_of("prod", "log"), readiness.condition_of("test", "log"));
        gateway.ready();
        assert!(!readiness.is_ready(), "nothing can be served");
        prod.ready();
        assert!(readiness.is_ready());
        let each = |readiness: &Readiness| ["prod", "test", "qa"].map(|name| readiness.is_ready_for(name));
        assert_eq!(each(&readiness), [Some(true), Some(false), None]);
        assert_eq!(readiness.describe(), "ready\nprod: log: ready\ntest: log: starting\n");
        prod.not_ready("deaf");
        test.degraded("the broker is away");
        assert!(readiness.is_ready());
        assert_eq!(each(&readiness), [Some(false), Some(true), None]);
        gateway.not_ready("stopping");
        assert!(!readiness.is_ready());
        assert_eq!(each(&readiness), [Some(false), Some(false), None], "it stops for all of them");
    }
}
