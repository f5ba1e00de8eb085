//! Counts the unsettled jobs of one session, so that the queues that are asked and the one that pushes together hand out
//! no more than is allowed.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

/// The places for unsettled jobs.
pub(super) struct JobSlots {
    at_once: usize,
    state: Mutex<State>,
    /// A job was settled.
    pub(super) freed: Notify,
}

#[derive(Default)]
struct State {
    unsettled: usize,
    /// Those of them that the current consumer was pushed.
    pushed: usize,
    /// Counts the consumers.
    consumer: u64,
    /// How many unsettled jobs the current consumer may have.
    prefetch: usize,
}

/// The place of one job, free again once it is settled or dropped.
pub(super) struct JobSlot {
    slots: Arc<JobSlots>,
    consumer: Option<u64>,
    is_free: AtomicBool,
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
        state.prefetch = self.at_once.saturating_sub(state.unsettled);
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

    /// Whether another job may be asked for while nothing is pushed.
    pub(super) fn has_room(&self) -> bool {
        self.state().unsettled < self.at_once
    }

    /// Whether places are free that the current consumer cannot fill.
    pub(super) fn has_spare(&self) -> bool {
        let state = self.state();
        state.prefetch + (state.unsettled - state.pushed) < self.at_once
    }

    fn slot(self: &Arc<Self>, consumer: Option<u64>) -> JobSlot {
        JobSlot { slots: self.clone(), consumer, is_free: AtomicBool::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a few sums, so a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JobSlot {
    /// Frees the place; once.
    pub(super) fn free(&self) {
        if self.is_free.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut state = self.slots.state();
        state.unsettled -= 1;
        if self.consumer == Some(state.consumer) {
            state.pushed -= 1;
        }
        drop(state);
        self.slots.freed.notify_one();
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
        assert!(!slots.has_room());
        // The consumer is pushed another in its place.
        one.free();
        assert!(!slots.has_spare());
        // Nobody else fills this one.
        asked.free();
        asked.free();
        assert!(slots.has_spare());
        // What was pushed to an earlier consumer is not counted against the next.
        assert_eq!(slots.begin_consumer(), 2);
        assert!(!slots.has_spare());
        drop(two);
        assert!(slots.has_spare());
    }
}
