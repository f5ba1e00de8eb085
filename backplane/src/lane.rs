//! Which of its kind's queues a job waits in: whoever has submitted many does not stand before another's first.

use model::job::Job;

/// A queue of a kind, by the backlog of its jobs: how many unfinished tasks their owner had when submitting them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// None: it holds about one job of each owner, and is served before the others.
    First,
    /// 1 to 3.
    Few,
    /// 4 to 31.
    Many,
    /// 32 or more.
    Flood,
}

impl Lane {
    /// The lanes behind the first, which are served in turn.
    pub const BULK: [Self; 3] = [Self::Few, Self::Many, Self::Flood];

    /// The lane of a job.
    pub fn of(job: &Job) -> Self {
        match job.backlog {
            0 => Self::First,
            1..=3 => Self::Few,
            4..=31 => Self::Many,
            _ => Self::Flood,
        }
    }

    /// The end of its queue's name, such as `bulk.1`; none for the first.
    pub(crate) fn suffix(self) -> Option<&'static str> {
        match self {
            Self::First => None,
            Self::Few => Some("bulk.1"),
            Self::Many => Some("bulk.2"),
            Self::Flood => Some("bulk.3"),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::TaskId;
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_more_an_owner_has_unfinished_the_further_back_the_next_job_waits() {
        let lane = |backlog| {
            let job = Job::new(TaskId::new(), "imports".parse().unwrap(), "ada", "A job", Value::Null);
            Lane::of(&Job { backlog, ..job })
        };
        let lanes = [0, 1, 3, 4, 31, 32, 10_000].map(lane);
        assert_eq!(lanes, [Lane::First, Lane::Few, Lane::Few, Lane::Many, Lane::Many, Lane::Flood, Lane::Flood]);
    }
}
