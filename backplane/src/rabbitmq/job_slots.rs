//! Counts the jobs of one session: those that run, of which there are no more than is allowed, and all that are unsettled,
//! which the queues that are asked and the one that pushes hand out together.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::job_lengths::{JobLengths, MOST_AHEAD};

/// Most jobs at a time that leave their places to others.
pub(super) const MOST_AWAY: usize = 64;
/// A consumer stays at least so long, unless a job takes unexpectedly long.
const SHORTEST_CONSUMER: Duration = Duration::from_millis(250);

/// The places for jobs.
pub(super) struct JobSlots {
    at_once: usize,
    state: Mutex<State>,
    /// A job has ended or was settled.
    pub(super) freed: Notify,
}

#[derive(Default)]
struct State {
    unsettled: usize,
    /// Not counted among them.
    away: usize,
    /// Those of them that have begun and not ended.
    running: usize,
    /// Those of them that the current consumer was pushed.
    pushed: usize,
    /// Counts the consumers.
    consumer: u64,
    /// How many unsettled jobs the current consumer may have, and how many there may be with those that were asked for.
    prefetch: usize,
    most: usize,
    /// None if it is to be another at once.
    began: Option<Instant>,
    lengths: JobLengths,
}

/// The place of one job; free again once it is settled or dropped.
pub(super) struct JobSlot {
    slots: Arc<JobSlots>,
    consumer: Option<u64>,
    progress: Mutex<Progress>,
}

#[derive(Clone, Copy)]
enum Progress {
    Waiting,
    /// It waits for something that may take long.
    Away,
    Running(Instant),
    Ended,
    Free,
}

impl JobSlots {
    pub(super) fn new(at_once: u16) -> Arc<Self> {
        Arc::new(Self { at_once: at_once.into(), state: Mutex::default(), freed: Notify::new() })
    }

    /// Begins to count for a new consumer, which may have all places that are free now; their number.
    pub(super) fn begin_consumer(&self) -> u16 {
        let mut state = self.state();
        state.consumer += 1;
        state.pushed = 0;
        state.began = Some(Instant::now());
        state.most = self.most_unsettled(&state);
        state.prefetch = state.most.saturating_sub(state.unsettled);
        u16::try_from(state.prefetch).unwrap_or(u16::MAX)
    }

    /// The place of a job that the current consumer was pushed.
    pub(super) fn take_pushed(self: &Arc<Self>) -> JobSlot {
        let mut state = self.state();
        state.unsettled += 1;
        state.pushed += 1;
        self.slot(Some(state.consumer))
    }

    /// The place of a job that was asked for.
    pub(super) fn take(self: &Arc<Self>) -> JobSlot {
        self.state().unsettled += 1;
        self.slot(None)
    }

    /// Whether another job may begin.
    pub(super) fn has_place(&self) -> bool {
        self.state().running < self.at_once
    }

    /// Whether another job may be asked for while nothing is pushed: it begins at once, and not too many ends are unconfirmed.
    pub(super) fn has_room(&self) -> bool {
        let state = self.state();
        state.running < self.at_once && state.unsettled < self.at_once + MOST_AHEAD
    }

    /// Whether there is room for at least one job that is pushed.
    pub(super) fn has_room_for_pushed(&self) -> bool {
        let state = self.state();
        state.unsettled < self.most_unsettled(&state)
    }

    /// Whether places are free that the current consumer cannot fill, or it should have more or fewer.
    pub(super) fn need_another_consumer(&self) -> bool {
        let state = self.state();
        let has_spare = state.prefetch + (state.unsettled - state.pushed) < state.most;
        let has_changed = state.most != self.most_unsettled(&state);
        has_spare || state.began.is_none_or(|began| has_changed && began.elapsed() >= SHORTEST_CONSUMER)
    }

    /// Whether more jobs are unsettled than should be.
    pub(super) fn has_too_many(&self) -> bool {
        let state = self.state();
        state.unsettled > self.most_unsettled(&state)
    }

    /// A job takes unexpectedly long: nothing is handed out ahead until more have been short.
    pub(super) fn forget_lengths(&self) {
        let mut state = self.state();
        state.lengths.forget();
        state.began = None;
    }

    fn most_unsettled(&self, state: &State) -> usize {
        self.at_once + state.lengths.ahead(self.at_once)
    }

    fn slot(self: &Arc<Self>, consumer: Option<u64>) -> JobSlot {
        JobSlot { slots: self.clone(), consumer, progress: Mutex::new(Progress::Waiting) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a few sums, so a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JobSlot {
    /// A job that waits may have to wait long: another can have its place, unless many are away.
    pub(super) fn leave(&self) {
        let mut progress = self.progress();
        let mut state = self.slots.state();
        if let Progress::Waiting = *progress
            && state.away < MOST_AWAY
        {
            *progress = Progress::Away;
            state.away += 1;
            state.unsettled -= 1;
            if self.consumer == Some(state.consumer) {
                // The broker hands out none in its place.
                state.pushed -= 1;
                state.prefetch = state.prefetch.saturating_sub(1);
            }
            drop(state);
            self.slots.freed.notify_one();
        }
    }

    /// It waits for a place again.
    pub(super) fn come_back(&self) {
        let mut progress = self.progress();
        if let Progress::Away = *progress {
            *progress = Progress::Waiting;
            let mut state = self.slots.state();
            state.away -= 1;
            state.unsettled += 1;
            if self.consumer == Some(state.consumer) {
                state.pushed += 1;
                state.prefetch += 1;
            }
        }
    }

    /// The job is handed to whoever runs it.
    pub(super) fn begin(&self) {
        let mut progress = self.progress();
        if let Progress::Waiting = *progress {
            *progress = Progress::Running(Instant::now());
            self.slots.state().running += 1;
        }
    }

    /// Nothing runs any more; it is not settled yet.
    pub(super) fn end(&self) {
        let mut progress = self.progress();
        if let Progress::Running(began) = *progress {
            *progress = Progress::Ended;
            let mut state = self.slots.state();
            state.running -= 1;
            state.lengths.push(began.elapsed());
            drop(state);
            self.slots.freed.notify_one();
        }
    }

    /// Frees the place; once.
    pub(super) fn free(&self) {
        self.end();
        let was = std::mem::replace(&mut *self.progress(), Progress::Free);
        let mut state = self.slots.state();
        match was {
            Progress::Free => return,
            Progress::Away => {
                state.away -= 1;
                return;
            }
            _ => state.unsettled -= 1,
        }
        if self.consumer == Some(state.consumer) {
            state.pushed -= 1;
        }
        drop(state);
        self.slots.freed.notify_one();
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for JobSlot {
    fn drop(&mut self) {
        self.free();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_has_the_places_that_are_free_when_it_begins() {
        let slots = JobSlots::new(3);
        let asked = slots.take();
        assert_eq!(slots.begin_consumer(), 2);
        let (one, two) = (slots.take_pushed(), slots.take_pushed());
        // The consumer is pushed another in its place.
        one.free();
        assert!(!slots.need_another_consumer());
        // Nobody else fills this one.
        asked.free();
        asked.free();
        assert!(slots.need_another_consumer());
        // What was pushed to an earlier consumer is not counted against the next.
        assert_eq!(slots.begin_consumer(), 2);
        assert!(!slots.need_another_consumer());
        drop(two);
        assert!(slots.need_another_consumer());
    }

    #[test]
    fn no_more_run_than_may_and_an_unsettled_one_that_has_ended_does_not_count() {
        let slots = JobSlots::new(2);
        let jobs: Vec<_> = (0..2).map(|_| slots.take()).collect();
        jobs.iter().for_each(JobSlot::begin);
        assert!(!slots.has_place() && !slots.has_room());
        jobs[0].end();
        jobs[0].end();
        assert!(slots.has_place() && slots.has_room());
        let ended: Vec<_> = (0..MOST_AHEAD).map(|_| slots.take()).collect();
        assert!(slots.has_place() && !slots.has_room(), "the unconfirmed ends are bounded");
        drop(ended);
        assert!(slots.has_room());
    }

    #[test]
    fn one_that_is_away_keeps_no_place_and_has_one_again_when_it_is_back() {
        let slots = JobSlots::new(1);
        assert_eq!(slots.begin_consumer(), 1);
        let moved = slots.take_pushed();
        assert!(!slots.need_another_consumer());
        moved.leave();
        assert!(slots.need_another_consumer(), "the broker keeps its place in this one");
        assert_eq!(slots.begin_consumer(), 1);
        let next = slots.take_pushed();
        moved.come_back();
        assert!(slots.has_too_many());
        drop(next);
        assert!(!slots.has_too_many() && !slots.has_room_for_pushed());
        moved.leave();
        drop(moved);
        assert!(slots.has_room_for_pushed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_consumer_of_short_jobs_is_promised_more_and_one_that_was_surprised_fewer() {
        let slots = JobSlots::new(2);
        assert_eq!(slots.begin_consumer(), 2);
        for _ in 0..16 {
            let job = slots.take_pushed();
            job.begin();
            job.free();
        }
        assert!(!slots.need_another_consumer(), "one that has just begun stays");
        tokio::time::advance(SHORTEST_CONSUMER).await;
        assert!(slots.need_another_consumer());
        let prefetch = slots.begin_consumer();
        assert!(prefetch > 2 && usize::from(prefetch) <= 2 + MOST_AHEAD, "{prefetch}");
        let waiting: Vec<_> = (0..prefetch).map(|_| slots.take_pushed()).collect();
        assert!(!slots.need_another_consumer() && !slots.has_too_many());
        slots.forget_lengths();
        assert!(slots.need_another_consumer() && slots.has_too_many());
        drop(waiting);
        assert!(!slots.has_too_many());
    }
}
