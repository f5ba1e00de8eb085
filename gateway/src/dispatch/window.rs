//! The recent past of one environment in memory: what a browser that comes back may still get.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use model::Cursor;

use crate::dispatch::delivered::Delivered;

/// One entry of the log as the window keeps it; pulses, dropped and repeated ones have a place but nothing to deliver.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it stands.
    pub cursor: Cursor,
    /// When it happened; a time in the future counts as the moment it was read.
    pub time: Timestamp,
    /// Source and id, hashed; none where there is nothing to deliver.
    pub identity: Option<u128>,
    /// What it delivers.
    pub delivered: Option<Arc<Delivered>>,
}

/// What a cursor means to this window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// It is known; everything from this index on comes after it.
    Joined(usize),
    /// It lies beyond all that was read: this pod may only be a moment behind.
    Ahead,
    /// It is too old, or from a log that was deleted.
    Lost,
}

/// Bounded by event time, and by bytes should events be large.
#[derive(Debug)]
pub struct Window {
    places: VecDeque<Place>,
    /// The last place that left; a cursor there is still joined.
    floor: Option<Cursor>,
    identities: HashSet<u128>,
    bytes: usize,
    length: Duration,
    most_bytes: usize,
}

/// What a place costs beside the event's bytes, roughly.
const PLACE_BYTES: usize = 160;

impl Window {
    /// An empty window of this length in event time and at most about this many bytes.
    pub fn new(length: Duration, most_bytes: usize) -> Self {
        Self { places: VecDeque::new(), floor: None, identities: HashSet::new(), bytes: 0, length, most_bytes }
    }

    /// Whether an event of this source and id is in it.
    pub fn has_seen(&self, identity: u128) -> bool {
        self.identities.contains(&identity)
    }

    /// Appends the next entry of the log.
    pub fn push(&mut self, place: Place) {
        self.identities.extend(place.identity);
        self.bytes += weight(&place);
        self.places.push_back(place);
        while self.bytes > self.most_bytes && self.places.len() > 1 {
            self.evict_first();
        }
    }

    /// Drops what is older than the window's length.
    pub fn evict(&mut self, now: Timestamp) {
        let horizon = now - self.length;
        while self.places.front().is_some_and(|place| place.time < horizon) {
            self.evict_first();
        }
    }

    fn evict_first(&mut self) {
        if let Some(place) = self.places.pop_front() {
            self.bytes -= weight(&place);
            self.floor = Some(place.cursor);
            if let Some(identity) = place.identity {
                self.identities.remove(&identity);
            }
        }
    }

    /// Forgets everything, so that cursors of before are lost from then on; returns which events it had.
    pub fn clear(&mut self) -> HashSet<u128> {
        std::mem::replace(self, Self::new(self.length, self.most_bytes)).identities
    }

    /// The last place read.
    pub fn last(&self) -> Option<Cursor> {
        self.places.back().map(|place| place.cursor).or(self.floor)
    }

    /// Looks a cursor up.
    pub fn find(&self, cursor: Cursor) -> Position {
        if self.floor == Some(cursor) {
            return Position::Joined(0);
        }
        if self.last().is_none_or(|last| cursor.offset > last.offset) {
            return Position::Ahead;
        }
        let index = self.places.partition_point(|place| place.cursor.offset < cursor.offset);
        match self.places.get(index) {
            Some(place) if place.cursor == cursor => Position::Joined(index + 1),
            _ => Position::Lost,
        }
    }

    /// What somebody gets from an index on, in order, but for what has expired.
    pub fn replay(&self, from: usize, user: &str, groups: &[String], now: Timestamp) -> Vec<Arc<Delivered>> {
        self.places
            .range(from.min(self.places.len())..)
            .filter_map(|place| place.delivered.as_ref())
            .filter(|delivered| delivered.audience.includes(user, groups) && !delivered.has_expired(now))
            .cloned()
            .collect()
    }
}

fn weight(place: &Place) -> usize {
    PLACE_BYTES + place.delivered.as_ref().map_or(0, |delivered| 2 * delivered.json.len())
}

#[cfg(test)]
mod tests {
    use model::{Audience, Event};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn place(offset: u64, user: &str, time: Timestamp) -> Place {
        let mut event = Event::new("/t", "t", Audience::user(user));
        event.id = offset.to_string();
        let cursor = Cursor::of(offset, event.id.as_bytes());
        let identity = Some(event.identity());
        let delivered = Delivered::stamp(Arc::new(event), &"test".parse().unwrap(), cursor).unwrap();
        Place { cursor, time, identity, delivered: Some(delivered) }
    }

    fn filled(offsets: impl IntoIterator<Item = u64>) -> Window {
        let mut window = Window::new(HOUR, 1 << 20);
        offsets.into_iter().for_each(|offset| window.push(place(offset, "ada", Timestamp::now())));
        window
    }

    #[test]
    fn a_cursor_is_joined_to_what_comes_after_it_over_natural_holes() {
        let window = filled([3, 4, 9, 10]);
        let at = place(4, "ada", Timestamp::now()).cursor;
        assert_eq!(window.find(at), Position::Joined(2));
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
    fn the_place_that_left_last_is_still_joined_and_the_one_before_is_lost() {
        let mut window = Window::new(HOUR, 1 << 20);
        let now = Timestamp::now();
        for offset in 0..3 {
            window.push(place(offset, "ada", now - 2 * HOUR));
        }
        window.push(place(3, "ada", now));
        window.evict(now);
        assert_eq!(window.find(place(2, "ada", now).cursor), Position::Joined(0));
        assert_eq!(window.find(place(1, "ada", now).cursor), Position::Lost);
        assert!(!window.has_seen(place(2, "ada", now).identity.unwrap()));
        assert!(window.has_seen(place(3, "ada", now).identity.unwrap()));
    }

    #[test]
    fn bytes_bound_it_whatever_the_time_says() {
        let mut window = Window::new(HOUR, 4000);
        for offset in 0..1000 {
            window.push(place(offset, "ada", Timestamp::now()));
        }
        assert!(window.places.len() < 20 && window.identities.len() == window.places.len());
        assert_eq!(window.last().map(|last| last.offset), Some(999));
    }
}
