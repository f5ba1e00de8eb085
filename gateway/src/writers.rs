//! The tasks that write to the connections of a pod: one for each core, whatever the number of connections.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{sync::Notify, task::yield_now};

/// Sockets that are written to before others may run.
const TURN: usize = 32;

/// Something that writes what waits, when its turn comes.
pub(crate) trait Writing: Send + Sync {
    /// Writes, off the list: what comes from now on lists it again.
    fn write_waiting(self: Arc<Self>);
}

/// Lists of lines that have something to write; cheap to clone.
#[derive(Clone)]
pub struct Writers(Arc<Vec<List>>);

/// A line is on it once at most, so it is bounded by the connections.
#[derive(Default)]
struct List {
    lines: Mutex<Vec<Arc<dyn Writing>>>,
    something: Notify,
}

impl Writers {
    /// This many lists, each for a task that calls [`Writers::write`].
    pub fn new(tasks: usize) -> Self {
        Self(Arc::new((0..tasks.max(1)).map(|_| List::default()).collect()))
    }

    /// How many tasks there must be.
    pub fn tasks(&self) -> usize {
        self.0.len()
    }

    /// Puts a line on the list of its task.
    pub(crate) fn list(&self, line: Arc<dyn Writing>) {
        // Always the same for a line; neighbours in memory go to different ones.
        let list = &self.0[(Arc::as_ptr(&line).addr() >> 8) % self.0.len()];
        let mut lines = list.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
        let is_first = lines.len() == 1;
        drop(lines);
        if is_first {
            list.something.notify_one();
        }
    }

    /// Writes for the lines of one list for as long as it is polled.
    pub async fn write(self, task: usize) {
        let list = &self.0[task % self.0.len()];
        let mut turn = Vec::new();
        loop {
            list.something.notified().await;
            std::mem::swap(&mut turn, &mut *list.lines.lock().unwrap_or_else(PoisonError::into_inner));
            for (at, line) in turn.drain(..).enumerate() {
                line.write_waiting();
                if at % TURN == TURN - 1 {
                    yield_now().await;
                }
            }
            // The memory of a broadcast to all is not kept for ever.
            turn.shrink_to(1024);
        }
    }
}
