//! What a real controller (Kubernetes 1.36) decided in a laboratory, beside what is computed from what it saw.
//!
//! Its settings were not recorded with it: they are those that explain every decision.
#![allow(clippy::unwrap_used)]

use rehearsal::{
    autoscaler::{Autoscaler, Behavior, Change, Direction, Policy},
    proposal::{Metric, Phase, Pod},
};
use serde::Deserialize;

/// The controller notes a change after it has written it.
const WRITING: f64 = 0.02;

#[derive(Deserialize)]
struct Trace {
    syncs: Vec<Sync>,
    /// When the number of replicas was seen to change, and to what.
    seen: Vec<(f64, u32)>,
}

#[derive(Deserialize)]
struct Sync {
    t: f64,
    current: u32,
    total: Option<u64>,
    pods: Option<Vec<RecordedPod>>,
}

/// Its name, phase, whether it is being deleted, and its value.
type RecordedPod = (String, Phase, bool, Option<u64>);

fn policy(change: Change, period: f64) -> Vec<Policy> {
    vec![Policy { change, period }]
}

/// Compares each decision but the last: of that the trace does not say what became.
fn compare(trace: &str, behavior: Behavior, metric: impl Fn(&Sync) -> Metric) {
    let trace: Trace = serde_json::from_str(trace).unwrap();
    let mut autoscaler = Autoscaler::new(behavior);
    let mut changes = 0;
    for pair in trace.syncs.windows(2) {
        let [sync, next] = pair else { unreachable!() };
        let replicas = autoscaler.decide(sync.t, sync.current, metric(sync).proposal(sync.current));
        assert_eq!(replicas, next.current, "at {:.1} s", sync.t - trace.syncs[0].t);
        autoscaler.changed(sync.t + WRITING, sync.current, replicas);
        changes += usize::from(replicas != sync.current);
    }
    // The first of those seen is how many there were at first.
    assert_eq!(changes, trace.seen.len() - 1);
}

#[test]
fn every_decision_on_the_average_of_pods_is_the_real_one() {
    let behavior = Behavior {
        min: 2,
        max: 10,
        up: Direction { window: 0.0, policies: policy(Change::Percent(100), 15.0) },
        down: Direction { window: 20.0, policies: policy(Change::Pods(1), 8.0) },
    };
    compare(include_str!("../golden/hpa-pods-trace.json"), behavior, |sync| {
        let pods = sync.pods.as_ref().unwrap().iter();
        let pods = pods.map(|(_, phase, deleting, sample)| Pod { phase: *phase, deleting: *deleting, sample: *sample });
        Metric::Pods { target: 100, pods: pods.collect() }
    });
}

#[test]
fn every_decision_on_a_sum_is_the_real_one() {
    let behavior = Behavior {
        min: 1,
        max: 10,
        up: Direction { window: 0.0, policies: policy(Change::Pods(4), 10.0) },
        down: Direction { window: 15.0, policies: policy(Change::Percent(50), 10.0) },
    };
    compare(include_str!("../golden/hpa-external-trace.json"), behavior, |sync| Metric::External {
        target: 2,
        total: sync.total.unwrap(),
    });
}
