//! The recent events of one environment in memory, replayed to clients that reconnect.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use model::{Cursor, Term};

use super::{
    outgoing_event::OutgoingEvent,
    term_index::{TermIndex, text_bytes},
};

/// One entry of the log. Pulses, dropped and repeated entries are kept without an event, for their cursor alone.
#[derive(Debug, Clone)]
pub struct WindowEntry {
    /// Its position in the log.
    pub cursor: Cursor,
    /// The event's time; a time in the future is replaced by the moment it was read.
    pub time: Timestamp,
    /// A hash of source and id; none without an event.
    pub identity: Option<u128>,
    /// The event to deliver.
    pub event: Option<Arc<OutgoingEvent>>,
}

/// The position of a cursor relative to the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// It was found; everything from this index on comes after it.
    Found(usize),
    /// It lies beyond the last entry: this pod may only be a moment behind.
    Ahead,
    /// It is too old, or belongs to a log that was deleted.
    Lost,
}

/// The entries, bounded by event time and by bytes.
#[derive(Debug)]
pub struct Window {
    entries: VecDeque<WindowEntry>,
    /// The number of the first entry: they are numbered as they come.
    first: u64,
    /// The numbers of the events for each term.
    index: TermIndex,
    /// The cursor evicted last: everything after it is still here.
    floor: Option<Cursor>,
    identities: HashSet<u128>,
    bytes: usize,
    length: Duration,
    max_bytes: usize,
}

/// The size of an entry beside its event, roughly.
const ENTRY_BYTES: usize = 160;
/// The size of an event beside its JSON and its texts, roughly.
const EVENT_BYTES: usize = 240;
/// The size of a term of its audience beside the text, roughly.
const TERM_BYTES: usize = 48;

impl Window {
    /// An empty window of this length in event time and at most about this many bytes.
    pub fn new(length: Duration, max_bytes: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            index: TermIndex::default(),
            floor: None,
            identities: HashSet::new(),
            bytes: 0,
            length,
            max_bytes,
        }
    }

    /// True if it has an event of this identity.
    pub fn contains(&self, identity: u128) -> bool {
        self.identities.contains(&identity)
    }

    /// Appends the next entry of the log.
    pub fn push(&mut self, entry: WindowEntry) {
        self.identities.extend(entry.identity);
        self.bytes += entry_bytes(&entry);
        if let Some(event) = &entry.event {
            self.index.push(self.first + self.entries.len() as u64, &event.audience);
        }
        self.entries.push_back(entry);
        while self.bytes() > self.max_bytes && self.entries.len() > 1 {
            self.evict_first();
        }
    }

    /// Drops what is older than the window's length.
    pub fn evict(&mut self, now: Timestamp) {
        let horizon = now - self.length;
        while self.entries.front().is_some_and(|entry| entry.time < horizon) {
            self.evict_first();
        }
    }

    fn evict_first(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry_bytes(&entry);
            self.first += 1;
            if let Some(event) = &entry.event {
                self.index.pop(&event.audience);
            }
            self.floor = Some(entry.cursor);
            if let Some(identity) = entry.identity {
                self.identities.remove(&identity);
            }
        }
    }

    /// Removes everything, so that all earlier cursors are lost; returns the identities of the events it had.
    pub fn clear(&mut self) -> HashSet<u128> {
        std::mem::replace(self, Self::new(self.length, self.max_bytes)).identities
    }

    /// The number of its entries.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Its size in bytes, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes + self.index.bytes()
    }

    /// The cursor read last.
    pub fn last(&self) -> Option<Cursor> {
        self.entries.back().map(|entry| entry.cursor).or(self.floor)
    }

    /// Looks a cursor up.
    pub fn find(&self, cursor: Cursor) -> Position {
        if self.floor == Some(cursor) {
            return Position::Found(0);
        }
        if self.last().is_none_or(|last| cursor.offset > last.offset) {
            return Position::Ahead;
        }
        let index = self.entries.partition_point(|entry| entry.cursor.offset < cursor.offset);
        match self.entries.get(index) {
            Some(entry) if entry.cursor == cursor => Position::Found(index + 1),
            _ => Position::Lost,
        }
    }

    /// A user's events from an index on, in log order, without expired ones. Nobody else's are looked at.
    pub fn replay(&self, from: usize, user: &str, groups: &[String], now: Timestamp) -> Vec<Arc<OutgoingEvent>> {
        let groups = groups.iter().cloned().map(Term::Group);
        let terms = [Term::User(user.to_owned()), Term::Environment].into_iter().chain(groups);
        self.index
            .numbers_from(self.first + from as u64, terms)
            .filter_map(|number| self.entries[(number - self.first) as usize].event.as_ref())
            .filter(|event| !event.has_expired(now))
            .cloned()
            .collect()
    }
}

fn entry_bytes(entry: &WindowEntry) -> usize {
    ENTRY_BYTES + entry.event.as_ref().map_or(0, |event| event_bytes(event))
}

fn event_bytes(event: &OutgoingEvent) -> usize {
    let terms: usize = event.audience.terms().iter().map(|term| TERM_BYTES + text_bytes(term)).sum();
    EVENT_BYTES + event.json.len() + event.event_type.len() + terms
}

#[cfg(test)]
mod tests {
    use model::{Audience, Event};
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn entry(offset: u64, user: &str, time: Timestamp) -> WindowEntry {
        entry_for(offset, Audience::user(user), time, None)
    }

    fn entry_for(offset: u64, audience: Audience, time: Timestamp, expires: Option<Timestamp>) -> WindowEntry {
        let mut event = Event::new("/t", "t", audience);
        event.id = offset.to_string();
        event.expirytime = expires;
        let cursor = Cursor::of(offset, event.id.as_bytes());
        let identity = Some(event.identity());
        let event = OutgoingEvent::stamp(Arc::new(event), &"test".parse().unwrap(), cursor).unwrap();
        WindowEntry { cursor, time, identity, event: Some(event) }
    }

    fn filled(offsets: impl IntoIterator<Item = u64>) -> Window {
        let mut window = Window::new(HOUR, 1 << 20);
        offsets.into_iter().for_each(|offset| window.push(entry(offset, "ada", Timestamp::now())));
        window
    }

    #[test]
    fn a_cursor_is_found_and_what_comes_after_it_over_natural_holes() {
        let window = filled([3, 4, 9, 10]);
        let at = entry(4, "ada", Timestamp::now()).cursor;
        assert_eq!(window.find(at), Position::Found(2));
        let offsets: Vec<_> =
            window.replay(2, "ada", &[], Timestamp::now()).iter().map(|one| one.cursor.offset).collect();
        assert_eq!(offsets, [9, 10]);
        assert!(window.replay(0, "bob", &[], Timestamp::now()).is_empty());
    }

    #[test]
    fn a_cursor_of_another_log_or_in_a_hole_is_lost() {
        let window = filled([3, 4, 9]);
        assert_eq!(window.find(Cursor { offset: 4, fingerprint: 1 }), Position::Lost);
        assert_eq!(window.find(Cursor::of(5, b"5")), Position::Lost);
        assert_eq!(window.find(Cursor::of(1, b"1")), Position::Lost);
        assert_eq!(window.find(Cursor::of(10, b"10")), Position::Ahead);
        assert_eq!(filled([]).find(Cursor::of(0, b"0")), Position::Ahead);
    }

    #[test]
    fn the_entry_evicted_last_is_still_found_and_the_one_before_is_lost() {
        let mut window = Window::new(HOUR, 1 << 20);
        let now = Timestamp::now();
        for offset in 0..3 {
            window.push(entry(offset, "ada", now - 2 * HOUR));
        }
        window.push(entry(3, "ada", now));
        window.evict(now);
        assert_eq!(window.find(entry(2, "ada", now).cursor), Position::Found(0));
        assert_eq!(window.find(entry(1, "ada", now).cursor), Position::Lost);
        assert!(!window.contains(entry(2, "ada", now).identity.unwrap()));
        assert!(window.contains(entry(3, "ada", now).identity.unwrap()));
    }

    #[test]
    fn bytes_bound_it_whatever_the_time_says() {
        let mut window = Window::new(HOUR, 4000);
        for offset in 0..1000 {
            window.push(entry(offset, "ada", Timestamp::now()));
        }
        assert!(window.entries.len() < 20 && window.identities.len() == window.entries.len());
        assert_eq!(window.last().map(|last| last.offset), Some(999));
    }

    /// What a replay must be: a walk over all entries.
    fn walked(window: &Window, from: usize, user: &str, groups: &[String], now: Timestamp) -> Vec<u64> {
        let entries = window.entries.iter().skip(from);
        let events = entries.filter_map(|entry| entry.event.as_ref());
        let own = events.filter(|event| event.audience.includes(user, groups) && !event.has_expired(now));
        own.map(|event| event.cursor.offset).collect()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push { terms: Vec<usize>, minutes: i64, is_expired: bool, is_pulse: bool },
        Evict { minutes: i64 },
        Clear,
    }

    const TERMS: [&str; 6] = ["user:ada", "user:bob", "group:ops", "group:sales", "group:user", "environment"];

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let push = (
            prop::collection::vec(0..TERMS.len(), 0..5),
            0..90_i64,
            prop::bool::weighted(0.2),
            prop::bool::weighted(0.2),
        )
            .prop_map(|(terms, minutes, is_expired, is_pulse)| Step::Push {
                terms,
                minutes,
                is_expired,
                is_pulse,
            });
        let evict = (0..60_i64).prop_map(|minutes| Step::Evict { minutes });
        prop::collection::vec(prop_oneof![20 => push, 2 => evict, 1 => Just(Step::Clear)], 1..120)
    }

    proptest! {
        #[test]
        fn a_replay_is_what_a_walk_over_the_window_finds(steps in steps(), max_bytes in 2000..40_000_usize) {
            let now = Timestamp::now();
            let ago = |minutes: i64| now - jiff::SignedDuration::from_mins(minutes);
            let mut window = Window::new(HOUR, max_bytes);
            let groups = ["ops", "sales", "ops", "none"].map(str::to_owned);
            for (offset, step) in (0..).zip(steps) {
                match step {
                    Step::Push { is_pulse: true, minutes, .. } => {
                        let cursor = Cursor::of(offset, b"pulse");
                        window.push(WindowEntry { cursor, time: ago(minutes), identity: None, event: None });
                    }
                    Step::Push { terms, minutes, is_expired, .. } => {
                        let terms: Vec<_> = terms.into_iter().map(|term| TERMS[term]).collect();
                        let expires = is_expired.then(|| ago(1));
                        window.push(entry_for(offset, terms.join(" ").parse().unwrap(), ago(minutes), expires));
                    }
                    Step::Evict { minutes } => window.evict(now + jiff::SignedDuration::from_mins(minutes)),
                    Step::Clear => drop(window.clear()),
                }
                let length = window.entries.len();
                for from in [0, length / 2, length.saturating_sub(1), length + 1] {
                    for (user, groups) in [("ada", &groups[..]), ("bob", &groups[1..2]), ("eve", &[]), ("ops", &[])] {
                        let replayed = window.replay(from, user, groups, now);
                        let replayed: Vec<_> = replayed.iter().map(|event| event.cursor.offset).collect();
                        prop_assert_eq!(replayed, walked(&window, from, user, groups, now));
                    }
                }
            }
            window.evict(now + 3 * HOUR);
            prop_assert_eq!((window.bytes, window.index.bytes()), (0, 0), "nothing is left of what was evicted");
        }
    }
}
