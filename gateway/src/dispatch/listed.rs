//! The connections of an environment that have something to write.
//!
//! Whoever fills their outboxes goes through this list afterwards and writes to one socket after another, in its own task
//! and on its own core: waking a task for each connection, or handing the list to another core, costs up to half a write
//! again (measured).

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::yield_now;

/// Sockets that are written to before others may run: a few milliseconds, since who is moved to another core in the middle
/// goes on with a cold cache (1.6 of a bare write became 1.5).
const TURN: usize = 2048;
/// Places whose memory is kept; that of a broadcast to all is not.
const KEPT: usize = 1024;

/// Something that writes what waits, when its turn comes.
pub(crate) trait Writing: Send + Sync {
    /// Writes, off the list: what comes from now on lists it again.
    fn write_waiting(self: Arc<Self>);
}

/// Who has something to write, each once, so it is bounded by the connections; cheap to clone.
#[derive(Clone, Default)]
pub struct Listed(Arc<Mutex<Vec<Arc<dyn Writing>>>>);

impl Listed {
    /// Puts one on the list.
    pub(crate) fn list(&self, one: Arc<dyn Writing>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    }

    /// Lets everybody on the list write.
    pub(crate) async fn write(&self) {
        let mut turn = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (at, one) in turn.drain(..).enumerate() {
            one.write_waiting();
            if at % TURN == TURN - 1 {
                yield_now().await;
            }
        }
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if list.is_empty() && list.capacity() < turn.capacity() {
            turn.shrink_to(KEPT);
            *list = turn;
        }
    }
}
