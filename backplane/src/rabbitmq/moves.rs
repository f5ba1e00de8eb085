//! Jobs on their way from here to a lane, each by a task of its own: whoever takes jobs waits for none of them.

use std::{collections::HashMap, future::pending, sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    task::{self, JoinError, JoinSet},
    time::Instant,
};
use tracing::error;

use super::waiting_jobs::{Moved, SHORT, WaitingJob};
use crate::lane::Lane;

/// A lane that did not take a job is sent none for so long: each keeps its sender waiting, and may be taken after all.
const SHUT: Duration = Duration::from_secs(60);

/// The jobs that are being moved over one connection.
pub(super) struct Moves {
    moving: JoinSet<Moved>,
    /// Where each of them goes, and since when.
    under_way: HashMap<task::Id, (Lane, Instant)>,
    /// Lanes that did not take a job, and until when they are sent none.
    shut: HashMap<Lane, Instant>,
    /// Notified when a job has come into a lane behind the first.
    wake: Arc<Notify>,
}

impl Moves {
    pub(super) fn new(wake: Arc<Notify>) -> Self {
        Self { moving: JoinSet::new(), under_way: HashMap::new(), shut: HashMap::new(), wake }
    }

    /// Whether jobs are moved to this lane: none while one takes long, and after it was shut one until that is taken.
    pub(super) fn is_open(&self, lane: Lane) -> bool {
        let mut begun = self.under_way.values().filter(|(to, _)| *to == lane).map(|(_, begun)| begun);
        match self.shut.get(&lane) {
            Some(until) => *until <= Instant::now() && begun.next().is_none(),
            None => begun.all(|begun| begun.elapsed() < SHORT),
        }
    }

    /// Begins to move a job. They are no more than may be unsettled, and [`MOST_AWAY`](super::job_slots::MOST_AWAY).
    pub(super) fn begin(&mut self, job: WaitingJob, lane: Lane) {
        let task = self.moving.spawn(job.move_to(lane));
        self.under_way.insert(task.id(), (lane, Instant::now()));
    }

    /// Waits until all have ended; gives those that stay here.
    pub(super) async fn all_ended(&mut self) -> Vec<WaitingJob> {
        let mut stay = Vec::new();
        while let Some(ended) = self.moving.join_next_with_id().await {
            stay.extend(self.note(ended));
        }
        stay
    }

    /// Waits until one has ended; gives the job if it stays here.
    pub(super) async fn ended(&mut self) -> Option<WaitingJob> {
        match self.moving.join_next_with_id().await {
            Some(ended) => self.note(ended),
            None => pending().await,
        }
    }

    /// Those that have ended by now and stay here.
    pub(super) fn ended_by_now(&mut self) -> Vec<WaitingJob> {
        let mut stay = Vec::new();
        while let Some(ended) = self.moving.try_join_next_with_id() {
            stay.extend(self.note(ended));
        }
        stay
    }

    fn note(&mut self, ended: Result<(task::Id, Moved), JoinError>) -> Option<WaitingJob> {
        self.under_way.remove(&ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id));
        match ended {
            Ok((_, Moved::To(Lane::First) | Moved::Gone)) => None,
            Ok((_, Moved::To(lane))) => {
                self.shut.remove(&lane);
                self.wake.notify_one();
                None
            }
            Ok((_, Moved::Stays(job, shut))) => {
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

impl Drop for Moves {
    /// Each ends by itself: one that was cut off once its copy is handed over would be put back as well.
    fn drop(&mut self) {
        self.moving.detach_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lane_that_is_slow_to_take_a_job_is_sent_no_other_and_one_that_took_none_is_sent_one_a_minute_later() {
        let (mut moves, lane) = (Moves::new(Arc::default()), Lane::Flood);
        let begin = |moves: &mut Moves| {
            let id = tokio::spawn(async {}).id();
            moves.under_way.insert(id, (lane, Instant::now()));
            id
        };
        let (one, two) = (begin(&mut moves), begin(&mut moves));
        assert!(moves.is_open(lane));
        tokio::time::advance(SHORT).await;
        assert!(!moves.is_open(lane) && moves.is_open(Lane::Few));
        assert!(moves.note(Ok((one, Moved::To(lane)))).is_none());
        assert!(!moves.is_open(lane));
        assert!(moves.note(Ok((two, Moved::To(lane)))).is_none());
        assert!(moves.is_open(lane));
        moves.shut.insert(lane, Instant::now() + SHUT);
        assert!(!moves.is_open(lane));
        tokio::time::advance(SHUT).await;
        assert!(moves.is_open(lane));
        let probe = begin(&mut moves);
        assert!(!moves.is_open(lane));
        moves.note(Ok((probe, Moved::To(lane))));
        begin(&mut moves);
        assert!(moves.is_open(lane), "it takes jobs again");
    }
}
