//! The number of replicas that a metric asks for, as in `replica_calculator.go` of Kubernetes 1.36.

use serde::Deserialize;

/// How far from 1 the ratio of a metric to its target may be, in thousandths, without anything being changed.
const TOLERANCE: u64 = 100;

/// A pod as the controller sees it.
#[derive(Debug, Clone, Copy)]
pub struct Pod {
    /// What it is doing.
    pub phase: Phase,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its value of the metric; none if there is none yet.
    pub sample: Option<u64>,
}

/// The phase of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Phase {
    /// It is not ready yet.
    Pending,
    /// It runs.
    Running,
    /// It has failed, and does not count.
    Failed,
}

/// A metric and its target.
#[derive(Debug, Clone)]
pub enum Metric {
    /// Each pod has a value, whose average is to be the target.
    Pods {
        /// The value that a pod is to have.
        target: u64,
        /// All that belong to the workload.
        pods: Vec<Pod>,
    },
    /// One value for all, which is divided by the replicas (`AverageValue`, as KEDA asks for).
    External {
        /// The part of the value that one replica is to have.
        target: u64,
        /// The value.
        total: u64,
    },
}

impl Metric {
    /// The replicas that it asks for where so many are there; none if nothing is known.
    pub fn proposal(&self, current: u32) -> Option<u32> {
        match self {
            Self::Pods { target, pods } => by_pods(*target, pods, current),
            Self::External { target, total } => Some(by_total(*target, *total, current)),
        }
    }
}

fn by_total(target: u64, total: u64, current: u32) -> u32 {
    let wanted = target * u64::from(current);
    match is_near(total * 1000, wanted) {
        true => current,
        false => replicas(total.div_ceil(target)),
    }
}

fn by_pods(target: u64, pods: &[Pod], current: u32) -> Option<u32> {
    let count = |is_such: &dyn Fn(&Pod) -> bool| pods.iter().filter(|pod| !pod.deleting && is_such(pod)).count() as u64;
    let unready = count(&|pod| pod.phase == Phase::Pending);
    let missing = count(&|pod| pod.phase == Phase::Running && pod.sample.is_none());
    let known = pods.iter().filter(|pod| !pod.deleting && pod.phase == Phase::Running).filter_map(|pod| pod.sample);
    let (sum, known) = known.fold((0, 0), |(sum, known), sample| (sum + sample * 1000, known + 1));
    if known == 0 {
        return None;
    }
    let wanted = target * 1000;
    let average = sum / known;
    if missing == 0 && (unready == 0 || average <= wanted) {
        return Some(match is_near(average * 1000, wanted) {
            true => current,
            false => replicas((average * known).div_ceil(wanted)),
        });
    }
    // Careful: who is not known is taken for one that speaks against the change.
    let (mut sum, mut counted) = (sum, known + missing);
    if average < wanted {
        sum += wanted * missing;
    } else {
        counted += unready;
    }
    let guarded = sum / counted;
    let turns = (average < wanted) != (guarded < wanted);
    if is_near(guarded * 1000, wanted) || turns {
        return Some(current);
    }
    let proposed = replicas((guarded * counted).div_ceil(wanted));
    let is_against = if guarded < wanted { proposed > current } else { proposed < current };
    Some(if is_against { current } else { proposed })
}

/// Whether a thousand times the value is within the tolerance of a thousand times the target.
fn is_near(thousandfold: u64, target: u64) -> bool {
    thousandfold >= target * (1000 - TOLERANCE) && thousandfold <= target * (1000 + TOLERANCE)
}

fn replicas(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
