//! How much of a bounded list is each owner's, and who has most: whoever fills a list loses their own.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// The share of each owner, as a number of entries or of their bytes.
#[derive(Debug, Default)]
pub struct Shares {
    counts: HashMap<Arc<str>, usize>,
    /// The same, by size.
    ordered: BTreeSet<(usize, Arc<str>)>,
}

impl Shares {
    /// Makes an owner's share larger.
    pub fn add(&mut self, owner: &str, size: usize) {
        let (owner, count) = match self.counts.get_key_value(owner) {
            Some((owner, count)) => (owner.clone(), *count),
            None => (Arc::from(owner), 0),
        };
        self.set(owner, count, count + size);
    }

    /// Makes an owner's share smaller.
    pub fn remove(&mut self, owner: &str, size: usize) {
        if let Some((owner, count)) = self.counts.get_key_value(owner) {
            self.set(owner.clone(), *count, count.saturating_sub(size));
        }
    }

    /// The share of an owner.
    pub fn of(&self, owner: &str) -> usize {
        self.counts.get(owner).copied().unwrap_or_default()
    }

    /// The owner of most.
    pub fn largest(&self) -> Option<Arc<str>> {
        self.ordered.last().map(|(_, owner)| owner.clone())
    }

    fn set(&mut self, owner: Arc<str>, before: usize, count: usize) {
        self.ordered.remove(&(before, owner.clone()));
        if count == 0 {
            self.counts.remove(&owner);
        } else {
            self.counts.insert(owner.clone(), count);
            self.ordered.insert((count, owner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_most_is_known_and_who_has_none_is_forgotten() {
        let mut shares = Shares::default();
        assert_eq!(shares.largest(), None);
        for owner in ["ada", "bob", "bob", "ada", "bob"] {
            shares.add(owner, 1);
        }
        assert_eq!((shares.largest().as_deref(), shares.of("bob"), shares.of("eve")), (Some("bob"), 3, 0));
        shares.remove("bob", 1);
        shares.remove("bob", 1);
        shares.remove("eve", 1);
        assert_eq!(shares.largest().as_deref(), Some("ada"));
        for _ in 0..2 {
            shares.remove("ada", 1);
        }
        shares.remove("bob", 1);
        assert!(shares.counts.is_empty() && shares.ordered.is_empty());
    }
}
