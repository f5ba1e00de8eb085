//! Which entries of a window name which term, so that a replay costs what it returns, however much the window holds.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque, binary_heap::PeekMut},
};

use model::{Audience, Term};

/// The numbers of the events for each term, ascending.
#[derive(Debug, Default)]
pub struct TermIndex {
    by_term: HashMap<Term, VecDeque<u64>>,
    bytes: usize,
}

/// The size of a term's list beside the term's text, roughly.
const TERM_BYTES: usize = 160;
/// The size of an event's place in the list of a term; lists have room to grow.
const PLACE_BYTES: usize = 16;
/// Places whose memory a list keeps in any case.
const KEPT_PLACES: usize = 16;

impl TermIndex {
    /// Its size in bytes, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the next event, whose number is above those of all others.
    pub fn push(&mut self, number: u64, audience: &Audience) {
        for term in audience.terms() {
            self.bytes += PLACE_BYTES;
            if let Some(numbers) = self.by_term.get_mut(term) {
                numbers.push_back(number);
            } else {
                self.bytes += term_bytes(term);
                self.by_term.insert(term.clone(), VecDeque::from([number]));
            }
        }
    }

    /// Removes the event with the lowest number.
    pub fn pop(&mut self, audience: &Audience) {
        for term in audience.terms() {
            let Some(numbers) = self.by_term.get_mut(term) else {
                continue;
            };
            self.bytes -= PLACE_BYTES;
            numbers.pop_front();
            if numbers.is_empty() {
                self.bytes -= term_bytes(term);
                self.by_term.remove(term);
            } else if numbers.capacity() / 4 > numbers.len().max(KEPT_PLACES) {
                numbers.shrink_to(2 * numbers.len());
            }
        }
    }

    /// The numbers from one on of the events for any of these terms, ascending, each once.
    pub fn numbers_from(&self, from: u64, terms: impl Iterator<Item = Term>) -> impl Iterator<Item = u64> {
        let mut lists: Vec<_> = terms
            .filter_map(|term| self.by_term.get(&term))
            .map(|numbers| numbers.range(numbers.partition_point(|number| *number < from)..))
            .collect();
        let mut next: BinaryHeap<_> =
            lists.iter_mut().enumerate().filter_map(|(at, list)| Some(Reverse((*list.next()?, at)))).collect();
        let mut last = None;
        std::iter::from_fn(move || {
            loop {
                let mut top = next.peek_mut()?;
                let Reverse((number, at)) = *top;
                match lists[at].next() {
                    Some(following) => *top = Reverse((*following, at)),
                    None => drop(PeekMut::pop(top)),
                }
                if last.replace(number) != Some(number) {
                    return Some(number);
                }
            }
        })
    }
}

fn term_bytes(term: &Term) -> usize {
    TERM_BYTES + text_bytes(term)
}

/// The bytes of a term's text.
pub(super) fn text_bytes(term: &Term) -> usize {
    match term {
        Term::User(text) | Term::Group(text) => text.len(),
        Term::Environment => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(text: &str) -> Audience {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_is_left_of_what_was_removed_and_a_list_gives_its_memory_back() {
        let mut index = TermIndex::default();
        let both = audience("user:ada environment");
        (0..10_000).for_each(|number| index.push(number, &both));
        (0..9_990).for_each(|_| index.pop(&both));
        assert!(index.by_term.values().all(|numbers| numbers.len() == 10 && numbers.capacity() <= 8 * KEPT_PLACES));
        (0..10).for_each(|_| index.pop(&both));
        assert!(index.by_term.is_empty() && index.bytes() == 0);
    }

    #[test]
    fn only_places_in_the_lists_of_the_terms_are_looked_at() {
        let mut index = TermIndex::default();
        for number in 0..1000 {
            index.push(number, &audience(if number % 100 == 0 { "user:ada group:ops" } else { "user:bob" }));
        }
        let terms = || ["user:ada", "group:ops", "group:none"].map(|term| term.parse().unwrap()).into_iter();
        assert!(index.numbers_from(250, terms()).eq([300, 400, 500, 600, 700, 800, 900]));
        assert_eq!(index.numbers_from(901, terms()).count(), 0);
    }
}
