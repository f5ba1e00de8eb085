//! Several lists, each with its newest first, read as one.

use std::{cmp::Ordering, collections::BinaryHeap};

/// Everything in the lists, the newest of all first. No more of a list is looked at than is taken, and one more.
pub(super) fn newest_first<'a, T: Ord + 'a, L: Iterator<Item = &'a T>>(
    lists: impl Iterator<Item = L>,
) -> impl Iterator<Item = &'a T> {
    let mut heap: BinaryHeap<_> = lists.filter_map(List::of).collect();
    std::iter::from_fn(move || {
        let List { first, rest } = heap.pop()?;
        heap.extend(List::of(rest));
        Some(first)
    })
}

/// A list from some place on, compared by its first.
struct List<'a, T, L> {
    first: &'a T,
    rest: L,
}

impl<'a, T: 'a, L: Iterator<Item = &'a T>> List<'a, T, L> {
    fn of(mut list: L) -> Option<Self> {
        list.next().map(|first| Self { first, rest: list })
    }
}

impl<T: Ord, L> PartialEq for List<'_, T, L> {
    fn eq(&self, other: &Self) -> bool {
        self.first == other.first
    }
}

impl<T: Ord, L> Eq for List<'_, T, L> {}

impl<T: Ord, L> PartialOrd for List<'_, T, L> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord, L> Ord for List<'_, T, L> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.first.cmp(other.first)
    }
}
