//! How many entries of a bounded list belong to each owner, and who has most: whoever fills a list loses their own.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// The number of entries of each owner.
#[derive(Debug, Default)]
pub struct Shares {
    counts: HashMap<Arc<str>, usize>,
    /// The same, by count.
    ordered: BTreeSet<(usize, Arc<str>)>,
}

impl Shares {
    /// Counts one more.
    pub fn add(&mut self, owner: &str) {
        let (owner, count) = match self.counts.get_key_value(owner) {
            Some((owner, count)) => (owner.clone(), *count),
            None => (Arc::from(owner), 0),
        };
        self.set(owner, count, count + 1);
    }

    /// Counts one less.
    pub fn remove(&mut self, owner: &str) {
        if let Some((owner, count)) = self.counts.get_key_value(owner) {
            self.set(owner.clone(), *count, *count - 1);
        }
    }

    /// The number of an owner's entries.
    pub fn of(&self, owner: &str) -> usize {
        self.counts.get(owner).copied().unwrap_or_default()
    }

    /// The owner of most entries.
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
            shares.add(owner);
        }
        assert_eq!((shares.largest().as_deref(), shares.of("bob"), shares.of("eve")), (Some("bob"), 3, 0));
        shares.remove("bob");
        shares.remove("bob");
        shares.remove("eve");
        assert_eq!(shares.largest().as_deref(), Some("ada"));
        for _ in 0..2 {
            shares.remove("ada");
        }
        shares.remove("bob");
        assert!(shares.counts.is_empty() && shares.ordered.is_empty());
    }
}
