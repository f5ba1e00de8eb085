//! What a connection costs the dispatcher when it joins a group and when it leaves, in a small group and in a large one.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gateway::dispatch::{
    outbox::outbox,
    registry::{ConnectionId, Recipient, Registry},
};
use rand::seq::SliceRandom;

const SMALL: u64 = 5_000;
const LARGE: u64 = 50_000;
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
