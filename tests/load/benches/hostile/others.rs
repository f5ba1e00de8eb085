//! The people who only listen, and the events that they get.

use std::{
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::{Duration, Instant},
};

use backplane::{Backplane, Destination};
use load::{Listeners, Wire, listeners::Opened, tally::mark};
use model::Event;
use scenarios::{TestBackplane, test_backplane::Role};
use serde_json::json;
use tokio::{runtime::Runtime, time::interval};

use crate::client;

/// The people who listen.
pub(crate) const COUNT: usize = 500;
/// The events that each of them gets.
pub(crate) const PER_SECOND: u32 = 50;
/// Events that may have reached all of them and not been looked at.
const ARRIVALS: usize = 100_000;
const TIMEOUT: Duration = Duration::from_secs(60);

/// A broker with what the gateway needs; jobs of the kind `reports` wait there, for no worker takes them.
pub(crate) fn backplane() -> TestBackplane {
    runtime().block_on(async {
        let test_backplane = TestBackplane::rabbitmq().await;
        test_backplane.declare(&"prod".parse().unwrap(), &["reports".parse().unwrap()]).await;
        test_backplane
    })
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Everybody else.
pub(crate) struct Others {
    runtime: Runtime,
    backplane: Backplane,
    published: u32,
    arrivals: Receiver<(usize, Instant)>,
}

/// Milliseconds from publishing an event until everybody has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Others {
    /// Connects them.
    pub(crate) fn listen(test_backplane: &TestBackplane, address: &str) -> Self {
        let runtime = runtime();
        let entered = runtime.enter();
        let backplane = test_backplane.backplane(&"prod".parse().unwrap(), Role::Gateway);
        drop(entered);
        let opened = Opened { wire: Wire::ServerSentEvents, target: address.parse().unwrap(), count: COUNT, first: 0 };
        let (sender, arrivals) = sync_channel(ARRIVALS);
        let (connected, is_connected) = sync_channel(1);
        thread::spawn(move || {
            let mut listeners = Listeners::open(opened, |number| client::token(&format!("other-{number}"))).unwrap();
            connected.send(()).unwrap();
            // It ends with the gateway, and then nobody waits for more.
            let ended = listeners.listen(|complete, _| {
                sender.send((complete, Instant::now())).ok();
            });
            eprintln!("others no longer listen: {:#}", ended.unwrap_err());
        });
        is_connected.recv_timeout(TIMEOUT).unwrap();
        Self { runtime, backplane, published: 0, arrivals }
    }

    /// Publishes for so long, evenly, and waits until everybody has all of it. `look` is called after each event.
    pub(crate) fn latency(&mut self, seconds: u32, mut look: impl FnMut()) -> Latency {
        let (first, count) = (self.published, seconds * PER_SECOND);
        let mut pace = self.runtime.block_on(async { interval(Duration::from_secs(1) / PER_SECOND) });
        let mut sent = Vec::new();
        for _ in 0..count {
            self.runtime.block_on(pace.tick());
            sent.push(Instant::now());
            self.publish();
            look();
        }
        let mut milliseconds: Vec<f64> = Vec::new();
        while milliseconds.len() < count as usize {
            let (complete, at) = self.arrivals.recv_timeout(TIMEOUT).expect("an event did not reach everybody");
            for sent in &sent[milliseconds.len()..(complete - first as usize).min(sent.len())] {
                milliseconds.push((at - *sent).as_secs_f64() * 1000.0);
            }
        }
        milliseconds.sort_unstable_by(f64::total_cmp);
        let at = |part: f64| milliseconds[(milliseconds.len() as f64 * part) as usize];
        Latency { p50: at(0.5), p99: at(0.99) }
    }

    fn publish(&mut self) {
        let everybody = "environment".parse().unwrap();
        let mut event = Event::new("/bench", "bench.event", everybody).with_data(json!({}));
        event.id = mark(self.published);
        self.published += 1;
        self.runtime.block_on(self.backplane.log.publish(Destination::Own, &event)).unwrap();
    }
}
