//! Jobs on their way from here to a lane, each by a task of its own: whoever takes jobs waits for none of them.

use std::{collections::HashMap, future::pending, sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    task::{JoinError, JoinSet},
    time::Instant,
};
use tracing::error;

use super::waiting_jobs::{Moved, WaitingJob};
use crate::lane::Lane;

/// A lane that did not take a job is sent none for so long: each keeps its sender waiting, and may be taken after all.
const SHUT: Duration = Duration::from_secs(60);

/// The jobs that are being moved over one connection.
pub(super) struct Moves {
    moving: JoinSet<Moved>,
    shut: HashMap<Lane, Instant>,
    /// Notified when a job has come into a lane behind the first.
    wake: Arc<Notify>,
}

impl Moves {
    pub(super) fn new(wake: Arc<Notify>) -> Self {
        Self { moving: JoinSet::new(), shut: HashMap::new(), wake }
    }

    /// Whether jobs are moved to this lane.
    pub(super) fn is_open(&self, lane: Lane) -> bool {
        self.shut.get(&lane).is_none_or(|until| *until <= Instant::now())
    }

    /// Begins to move a job. They are no more than there are places, and [`MOST_AWAY`](super::job_slots::MOST_AWAY).
    pub(super) fn begin(&mut self, job: WaitingJob, lane: Lane) {
        self.moving.spawn(job.move_to(lane));
    }

    /// Waits until all have ended; gives those that stay here.
    pub(super) async fn all_ended(&mut self) -> Vec<WaitingJob> {
        let mut stay = Vec::new();
        while let Some(ended) = self.moving.join_next().await {
            stay.extend(self.note(ended));
        }
        stay
    }

    /// Waits until one has ended; gives the job if it stays here.
    pub(super) async fn ended(&mut self) -> Option<WaitingJob> {
        match self.moving.join_next().await {
            Some(ended) => self.note(ended),
            None => pending().await,
        }
    }

    /// Those that have ended by now and stay here.
    pub(super) fn ended_by_now(&mut self) -> Vec<WaitingJob> {
        let mut stay = Vec::new();
        while let Some(ended) = self.moving.try_join_next() {
            stay.extend(self.note(ended));
        }
        stay
    }

    fn note(&mut self, ended: Result<Moved, JoinError>) -> Option<WaitingJob> {
        match ended {
            Ok(Moved::To(Lane::First) | Moved::Gone) => None,
            Ok(Moved::To(_)) => {
                self.wake.notify_one();
                None
            }
            Ok(Moved::Stays(job, shut)) => {
                self.shut.extend(shut.map(|lane| (lane, Instant::now() + SHUT)));
                Some(job)
            }
            Err(error) => {
                error!(%error, "a job was not moved; the broker hands it out again");
                None
            }
        }
    }
}
