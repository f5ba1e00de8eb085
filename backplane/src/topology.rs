//! The names of an environment's exchanges, queues and stream on the broker.

use std::time::Duration;

use model::{
    PodId,
    environment::{Environment, InvalidName, Kind},
};
use serde::{Deserialize, Serialize};

use crate::{lane::Lane, log::Destination};

/// The first word of every name on the broker: `[a-z][a-z0-9-]{0,31}`, `bellwire` unless configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prefix(Kind);

impl Default for Prefix {
    fn default() -> Self {
        Self("bellwire".parse().expect("it is a name"))
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Prefix {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        text.parse().map(Self)
    }
}

/// The names of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    prefix: Prefix,
    environment: Environment,
}

impl Topology {
    /// The routing key, of the jobs exchange, of the queue by which gateways agree on who starts what is scheduled. No kind's
    /// key is the same, for theirs end otherwise.
    pub const LEASE_KEY: &str = "gateway.lease";

    /// The names of an environment under a prefix.
    pub fn new(prefix: Prefix, environment: Environment) -> Self {
        Self { prefix, environment }
    }

    /// The environment.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The fanout that reaches every environment: `bellwire.everywhere`.
    pub fn everywhere(&self) -> String {
        format!("{}.everywhere", self.prefix.0)
    }

    /// The fanout of this environment: `bellwire.<env>`.
    pub fn exchange(&self) -> String {
        format!("{}.{}", self.prefix.0, self.environment)
    }

    /// The fanout of plain publishers: `bellwire.<env>.publish`. What comes through it is a publisher's, whoever it claims to be.
    pub fn publishers(&self) -> String {
        format!("{}.publish", self.exchange())
    }

    /// The stream: `bellwire.<env>.events`.
    pub fn stream(&self) -> String {
        format!("{}.events", self.exchange())
    }

    /// The direct exchange of jobs: `bellwire.<env>.jobs`.
    pub fn jobs(&self) -> String {
        format!("{}.jobs", self.exchange())
    }

    /// The first queue of a kind: `bellwire.<env>.jobs.<kind>`; its routing key is the kind.
    pub fn job_queue(&self, kind: &Kind) -> String {
        self.queue_of(&self.lane_key(kind, Lane::First))
    }

    /// The routing key of a lane: `<kind>`, and `<kind>.bulk.1` to `<kind>.bulk.3` behind it.
    pub fn lane_key(&self, kind: &Kind, lane: Lane) -> String {
        match lane.suffix() {
            None => kind.to_string(),
            Some(suffix) => format!("{kind}.{suffix}"),
        }
    }

    /// The routing key of a retry queue, `<kind>.retry.<seconds>s`; see [`Topology::queue_of`] for the queue.
    pub fn retry_key(&self, kind: &Kind, step: Duration) -> String {
        format!("{kind}.retry.{}s", step.as_secs())
    }

    /// The routing key of dead jobs, `<kind>.dead`.
    pub fn dead_key(&self, kind: &Kind) -> String {
        format!("{kind}.dead")
    }

    /// The queue of a routing key of the jobs exchange: its name, a dot and the key.
    pub fn queue_of(&self, key: &str) -> String {
        format!("{}.{key}", self.jobs())
    }

    /// The fanout of control messages: `bellwire.<env>.control`.
    pub fn control(&self) -> String {
        format!("{}.control", self.exchange())
    }

    /// A pod's own control queue: `bellwire.<env>.control.<pod>`.
    pub fn control_queue(&self, pod: &PodId) -> String {
        format!("{}.{pod}", self.control())
    }

    /// The exchange that events are published to.
    pub fn destination(&self, to: Destination) -> String {
        match to {
            Destination::Own => self.exchange(),
            Destination::Publishers => self.publishers(),
            Destination::Everywhere => self.everywhere(),
        }
    }

    /// The destination of an entry that came through this exchange; `None` for every exchange that may not publish
    /// here, the default exchange (whose name is empty) among them.
    pub fn origin(&self, exchange: &str) -> Option<Destination> {
        if exchange == self.exchange() {
            Some(Destination::Own)
        } else if exchange == self.publishers() {
            Some(Destination::Publishers)
        } else if exchange == self.everywhere() {
            Some(Destination::Everywhere)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::RETRY_STEPS;

    /// The queues of a kind, as tests/infra/queues.txt lists them: autoscalers count what waits in some, and nothing in others.
    fn queues(topology: &Topology, kind: &Kind) -> Vec<String> {
        let lanes = [Lane::First].into_iter().chain(Lane::ASKED).map(|lane| topology.lane_key(kind, lane));
        let beside = RETRY_STEPS.iter().map(|step| topology.retry_key(kind, *step)).chain([topology.dead_key(kind)]);
        let of = |what: &'static str, key: String| format!("{what} {}\n", topology.queue_of(&key));
        lanes.map(|key| of("waiting", key)).chain(beside.map(|key| of("beside", key))).collect()
    }

    #[test]
    fn the_list_by_which_what_scales_workers_is_checked_is_true() {
        let prod = Topology::new(Prefix::default(), "prod".parse().unwrap());
        let listed = include_str!("../../tests/infra/queues.txt").split_inclusive('\n');
        let kinds = ["imports", "reports", "workflows"].map(|kind| kind.parse().unwrap());
        let all: Vec<_> = kinds.iter().flat_map(|kind| queues(&prod, kind)).collect();
        assert_eq!(listed.collect::<Vec<_>>(), all);
    }

    #[test]
    fn only_its_own_exchange_and_everywhere_speak_to_an_environment() {
        let prod = Topology::new(Prefix::default(), "prod".parse().unwrap());
        assert_eq!(prod.origin("bellwire.prod"), Some(Destination::Own));
        assert_eq!(prod.origin("bellwire.prod.publish"), Some(Destination::Publishers));
        assert_eq!(prod.origin("bellwire.everywhere"), Some(Destination::Everywhere));
        for other in
            ["", "bellwire.test", "bellwire.test.publish", "bellwire.prod.jobs", "bellwire", "prod", "Bellwire.prod"]
        {
            assert_eq!(prod.origin(other), None, "{other:?}");
        }
    }
}
