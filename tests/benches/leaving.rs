//! What a connection costs the dispatcher when it joins a group and when it leaves, in a small group and in a large one, and
//! when it comes back and nothing was for it, with a small window and with a large one.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gateway::dispatch::{
    outbox::outbox,
    outgoing_event::OutgoingEvent,
    registry::{ConnectionId, Recipient, Registry},
    window::{Window, WindowEntry},
};
use jiff::Timestamp;
use model::{Audience, Cursor, Event};
use rand::seq::SliceRandom;

const SMALL: u64 = 5_000;
const LARGE: u64 = 50_000;
const SMALL_WINDOW: u64 = 1_000;
const LARGE_WINDOW: u64 = 100_000;
const REPLAYS: u32 = 100;
const ROUNDS: usize = 5;

fn main() {
    let [small, large] = [SMALL, LARGE].map(|connections| (0..ROUNDS).map(|_| Costs::of(connections)).min().unwrap());
    println!("a connection of a group joins and leaves, in any order, best of {ROUNDS} runs, in ns each:");
    println!("  of {SMALL:>6}    joins {:>6}   leaves {:>6}", small.joins, small.leaves);
    println!("  of {LARGE:>6}    joins {:>6}   leaves {:>6}", large.joins, large.leaves);
    let ratio = |large: u128, small: u128| large as f64 / small as f64;
    println!(
        "  ratio        joins {:>6.2}   leaves {:>6.2}",
        ratio(large.joins, small.joins),
        ratio(large.leaves, small.leaves)
    );
    let [small, large] = [SMALL_WINDOW, LARGE_WINDOW].map(|entries| {
        let window = window(entries);
        (0..ROUNDS).map(|_| replay(&window)).min().unwrap()
    });
    println!("a connection comes back and nothing was for it, best of {ROUNDS} runs, in ns each:");
    println!("  window of {SMALL_WINDOW:>6} events {small:>9}");
    println!("  window of {LARGE_WINDOW:>6} events {large:>9}   ratio {:>6.2}", ratio(large, small));
}

/// A window of so many events for others.
fn window(entries: u64) -> Window {
    let mut window = Window::new(Duration::from_secs(3600), usize::MAX);
    let environment = "prod".parse().unwrap();
    for offset in 0..entries {
        let event = Arc::new(Event::new("/bench", "bench", Audience::user(&format!("user {}", offset % 1000))));
        let (identity, cursor) = (Some(event.identity()), Cursor::of(offset, event.id.as_bytes()));
        let event = OutgoingEvent::stamp(event, &environment, cursor).unwrap();
        window.push(WindowEntry { cursor, time: Timestamp::now(), identity, event: Some(event) });
    }
    window
}

/// Replays the whole window to somebody whom no event names, in nanoseconds.
fn replay(window: &Window) -> u128 {
    let groups = ["everyone".to_owned(), "sales".to_owned()];
    let now = Timestamp::now();
    let begun = Instant::now();
    for _ in 0..REPLAYS {
        assert!(window.replay(0, "nobody", &groups, now).is_empty());
    }
    begun.elapsed().as_nanos() / u128::from(REPLAYS)
}

/// In nanoseconds for each connection.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Costs {
    leaves: u128,
    joins: u128,
}

impl Costs {
    fn of(connections: u64) -> Self {
        let mut ids: Vec<ConnectionId> = (0..connections).collect();
        ids.shuffle(&mut rand::rng());
        let recipients: Vec<_> = ids.iter().map(|id| recipient(*id)).collect();
        let (senders, outboxes): (Vec<_>, Vec<_>) = ids.iter().map(|_| outbox(8)).unzip();
        let mut registry = Registry::default();
        let each = |took: Duration| took.as_nanos() / u128::from(connections);

        let begun = Instant::now();
        for ((id, recipient), sender) in ids.iter().zip(recipients).zip(senders) {
            registry.add(*id, recipient, sender);
        }
        let joins = each(begun.elapsed());

        ids.shuffle(&mut rand::rng());
        let begun = Instant::now();
        for id in ids {
            registry.remove(id);
        }
        let leaves = each(begun.elapsed());
        drop(outboxes);
        Self { leaves, joins }
    }
}

fn recipient(id: ConnectionId) -> Arc<Recipient> {
    Arc::new(Recipient { user: format!("user {id}"), groups: vec!["everyone".to_owned(), "sales".to_owned()] })
}
