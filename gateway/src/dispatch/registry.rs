//! The connections of one environment, indexed by audience term, so that a delivery costs only those it reaches.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use model::{Audience, Term};

use super::outbox::{OutboxItem, OutboxSender};

/// The number of a connection on this pod.
pub type ConnectionId = u64;

/// A user as the dispatcher knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The user's id.
    pub user: String,
    /// The groups that the token names.
    pub groups: Vec<String>,
}

impl Recipient {
    /// Returns true if it is in every group that the other is in.
    pub fn has_groups_of(&self, other: &Self) -> bool {
        let groups: HashSet<&String> = self.groups.iter().collect();
        other.groups.iter().all(|group| groups.contains(group))
    }
}

#[derive(Debug)]
struct Connection {
    recipient: Arc<Recipient>,
    outbox: OutboxSender,
    /// Its place among the members of each of its terms, in their order.
    places: Box<[u32]>,
    /// The number of the last delivery that it got: an audience may name it more than once.
    last_delivery: u64,
}

/// A connection among those of a term.
#[derive(Debug, Clone, Copy)]
struct Member {
    id: ConnectionId,
    /// Which of the connection's terms it is.
    term: u32,
}

/// The connections of one environment on this pod.
#[derive(Debug, Default)]
pub struct Registry {
    connections: HashMap<ConnectionId, Connection>,
    /// In no order: whoever leaves is replaced by the last, so that leaving costs the same however many there are.
    by_term: HashMap<Term, Vec<Member>>,
    deliveries: u64,
}

impl Registry {
    /// Adds a connection; from now on it gets the events for its recipient.
    pub fn add(&mut self, id: ConnectionId, recipient: Arc<Recipient>, outbox: OutboxSender) {
        let places = (0..).zip(terms(&recipient)).map(|(term, name)| {
            let members = self.by_term.entry(name).or_default();
            members.push(Member { id, term });
            (members.len() - 1) as u32
        });
        let places = places.collect();
        self.connections.insert(id, Connection { recipient, outbox, places, last_delivery: 0 });
    }

    /// Removes a connection; false if it is not there.
    pub fn remove(&mut self, id: ConnectionId) -> bool {
        let Some(mut connection) = self.connections.remove(&id) else {
            return false;
        };
        let recipient = connection.recipient.clone();
        for (at, term) in terms(&recipient).enumerate() {
            let Some(members) = self.by_term.get_mut(&term) else {
                continue;
            };
            let place = connection.places[at];
            members.swap_remove(place as usize);
            match members.get(place as usize) {
                // A token may name a group twice: then it takes its own place.
                Some(moved) if moved.id == id => connection.places[moved.term as usize] = place,
                Some(moved) => {
                    if let Some(other) = self.connections.get_mut(&moved.id) {
                        other.places[moved.term as usize] = place;
                    }
                }
                None if members.is_empty() => drop(self.by_term.remove(&term)),
                None => {}
            }
        }
        true
    }

    /// The number of connections.
    pub fn count(&self) -> usize {
        self.connections.len()
    }

    /// Puts an item into the outbox of each connection that the audience names, once, and drops the slow ones; without an
    /// audience into every outbox.
    pub fn deliver(&mut self, audience: Option<&Audience>, item: &OutboxItem) -> Delivery {
        self.deliveries += 1;
        let (mut reached, mut slow) = (0, Vec::new());
        let mut push = |id: ConnectionId, connection: &mut Connection| {
            if std::mem::replace(&mut connection.last_delivery, self.deliveries) == self.deliveries {
                return;
            }
            match connection.outbox.push(item.clone()) {
                true => reached += 1,
                false => slow.push(id),
            }
        };
        match audience.map(Audience::terms).filter(|terms| !terms.contains(&Term::Environment)) {
            None => self.connections.iter_mut().for_each(|(id, connection)| push(*id, connection)),
            Some(terms) => {
                for Member { id, .. } in terms.iter().filter_map(|term| self.by_term.get(term)).flatten() {
                    if let Some(connection) = self.connections.get_mut(id) {
                        push(*id, connection);
                    }
                }
            }
        }
        let delivery = Delivery { reached, slow: slow.len() };
        for id in slow {
            self.remove(id);
        }
        delivery
    }
}

/// The result of one delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Outboxes that got the item.
    pub reached: usize,
    /// Connections dropped because they were gone or too slow.
    pub slow: usize,
}

fn terms(recipient: &Recipient) -> impl Iterator<Item = Term> {
    let user = Term::User(recipient.user.clone());
    std::iter::once(user).chain(recipient.groups.iter().cloned().map(Term::Group))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::outbox::{EndReason, GapReason, Outbox, outbox};

    const ITEM: OutboxItem = OutboxItem::Gap(GapReason::Remade);

    fn takes(outbox: &mut Outbox) -> bool {
        let taken = outbox.poll_next(&std::task::Context::from_waker(std::task::Waker::noop()));
        matches!(taken, std::task::Poll::Ready(Some(_)))
    }

    fn recipient(user: &str, groups: &[&str]) -> Arc<Recipient> {
        Arc::new(Recipient { user: user.into(), groups: groups.iter().map(|&group| group.to_owned()).collect() })
    }

    #[test]
    fn whoever_is_named_twice_is_reached_once_and_others_not() {
        let mut registry = Registry::default();
        let (ada, mut adas) = outbox(8);
        let (bob, mut bobs) = outbox(8);
        registry.add(1, recipient("ada", &["ops", "ops2"]), ada);
        registry.add(2, recipient("bob", &[]), bob);
        let audience = "user:ada group:ops group:ops2".parse().unwrap();
        assert_eq!(registry.deliver(Some(&audience), &ITEM), Delivery { reached: 1, slow: 0 });
        assert!(takes(&mut adas) && !takes(&mut adas) && !takes(&mut bobs));
        assert_eq!(registry.deliver(Some(&"group:ops environment".parse().unwrap()), &ITEM).reached, 2);
        registry.remove(1);
        assert_eq!(registry.deliver(Some(&audience), &ITEM).reached, 0);
        assert_eq!(registry.by_term.len(), 1);
    }

    #[test]
    fn a_slow_one_is_dropped_with_a_reason_and_harms_nobody() {
        let mut registry = Registry::default();
        let (slow, mut slows) = outbox(1);
        let (quick, mut quicks) = outbox(8);
        registry.add(1, recipient("ada", &[]), slow);
        registry.add(2, recipient("ada", &[]), quick);
        let audience = Audience::user("ada");
        assert_eq!(registry.deliver(Some(&audience), &ITEM).reached, 2);
        assert_eq!(registry.deliver(Some(&audience), &ITEM), Delivery { reached: 1, slow: 1 });
        assert_eq!(registry.count(), 1);
        assert!(takes(&mut slows) && !takes(&mut slows));
        assert_eq!(slows.end(), Some(EndReason::Slow));
        assert!(takes(&mut quicks) && takes(&mut quicks));
    }

    #[test]
    fn whoever_leaves_in_whatever_order_everybody_else_is_still_reached_once() {
        let mut registry = Registry::default();
        let groups: [&[&str]; 4] = [&[], &["ops"], &["ops", "sales", "ops"], &["sales", "ops"]];
        let mut outboxes = HashMap::new();
        for id in 0..200 {
            let (sender, outbox) = outbox(1000);
            registry.add(id, recipient(&format!("u{}", id % 7), groups[id as usize % 4]), sender);
            outboxes.insert(id, outbox);
        }
        let audience = "user:u1 user:u3 group:ops group:sales".parse().unwrap();
        // 113 and 200 have no common factor, so that each leaves once.
        for leaving in (0..200).map(|n| n * 113 % 200) {
            assert!(registry.remove(leaving) && !registry.remove(leaving));
            outboxes.remove(&leaving);
            let named = |id: &u64| !id.is_multiple_of(4) || [1, 3].contains(&(id % 7));
            let expected = outboxes.keys().filter(|id| named(id)).count();
            assert_eq!(registry.deliver(Some(&audience), &ITEM), Delivery { reached: expected, slow: 0 });
            for (id, connection) in &registry.connections {
                for (at, term) in terms(&connection.recipient).enumerate() {
                    let member = registry.by_term[&term][connection.places[at] as usize];
                    assert_eq!((member.id, member.term as usize), (*id, at));
                }
            }
        }
        assert_eq!((registry.count(), registry.by_term.len()), (0, 0));
    }
}
