//! Events for everybody, straight to the log.

use std::time::Duration;

use backplane::{Backplane, Destination};
use load::tally::mark;
use model::Event;
use scenarios::{TestBackplane, test_backplane::Role};
use serde_json::json;
use tokio::{runtime::Runtime, time::interval};

use crate::listening::Audience;

/// Publishes numbered events, one after another.
pub(crate) struct Publisher {
    runtime: Runtime,
    backplane: Backplane,
    pub(crate) next: u32,
}

impl Publisher {
    pub(crate) fn new(runtime: Runtime, test_backplane: &TestBackplane) -> Self {
        let entered = runtime.enter();
        let backplane = test_backplane.backplane(&"prod".parse().unwrap(), Role::Gateway);
        drop(entered);
        Self { runtime, backplane, next: 0 }
    }

    /// So many, one each time this has passed.
    pub(crate) fn paced(&mut self, events: u32, pace: Duration, audience: &mut Audience) {
        let mut pace = self.runtime.block_on(async { interval(pace) });
        for _ in 0..events {
            self.runtime.block_on(pace.tick());
            self.publish();
        }
        audience.catch_up(events);
    }

    /// So many as fast as the gateway takes them: at most `waiting` are on their way to somebody.
    pub(crate) fn saturating(&mut self, events: u32, waiting: u32, audience: &mut Audience) {
        for _ in 0..events {
            audience.wait_for(waiting - 1);
            self.publish();
            audience.sent(1);
        }
        audience.wait_for(0);
    }

    fn publish(&mut self) {
        let everybody = "environment".parse().unwrap();
        let mut event = Event::new("/bench", "bench.event", everybody).with_data(json!({ "text": "x".repeat(400) }));
        event.id = mark(self.next);
        self.next += 1;
        self.runtime.block_on(self.backplane.log.publish(Destination::Own, &event)).unwrap();
    }
}
