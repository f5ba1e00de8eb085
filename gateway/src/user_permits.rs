//! Permits of which each user may hold only so many at once, so that nobody alone takes what is there for all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use metrics::{Gauge, gauge};
use model::Environment;

use crate::lock::lock;

/// Permits of one sort; cheap to clone.
#[derive(Debug, Clone)]
pub struct UserPermits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    most_of_user: usize,
    /// Permits of each environment that no other can take.
    share: usize,
    environments: usize,
    taken: Mutex<Taken>,
    in_use: Gauge,
}

/// Only users who hold one are in the map.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_environment: HashMap<Environment, usize>,
    by_user: HashMap<Arc<str>, usize>,
}

/// A permit, until it is dropped.
#[derive(Debug)]
pub struct UserPermit {
    permits: UserPermits,
    environment: Environment,
    user: Arc<str>,
}

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPermit {
    /// The user holds as many as one may.
    UserHasMost(usize),
    /// All are taken.
    AllTaken(usize),
}

impl UserPermits {
    /// So many permits, and so many of them at most for one user of one environment. Half of all are divided among so many
    /// environments, each its own; the rest goes to whoever comes first. The name is that of its metrics.
    pub fn new(name: &'static str, most: usize, most_of_user: usize, environments: usize) -> Self {
        let environments = environments.max(1);
        let share = most / 2 / environments;
        let in_use = gauge!("bellwire_permits", "of" => name);
        in_use.set(0.0);
        if most < usize::MAX {
            gauge!("bellwire_permits_limit", "of" => name).set(most as f64);
        }
        Self(Arc::new(Inner { most, most_of_user, share, environments, taken: Mutex::default(), in_use }))
    }

    /// Those that are taken in an environment.
    pub fn taken(&self, environment: &Environment) -> usize {
        lock(&self.0.taken).by_environment.get(environment).copied().unwrap_or_default()
    }

    /// Takes a permit for a user, if there is one.
    pub fn take(&self, environment: &Environment, user: &str) -> Result<UserPermit, NoPermit> {
        // An environment has no space, so no two users share a key.
        let key = format!("{environment} {user}");
        let mut taken = lock(&self.0.taken);
        let of_user = taken.by_user.get_key_value(key.as_str());
        if of_user.is_some_and(|(_, count)| *count >= self.0.most_of_user) || self.0.most_of_user == 0 {
            return Err(NoPermit::UserHasMost(self.0.most_of_user));
        }
        if self.0.most - taken.all <= self.0.kept_for_others(&taken, environment) {
            return Err(NoPermit::AllTaken(self.0.most));
        }
        let user = of_user.map_or_else(|| Arc::from(key.as_str()), |(user, _)| user.clone());
        taken.all += 1;
        self.0.in_use.set(taken.all as f64);
        *taken.by_environment.entry(environment.clone()).or_default() += 1;
        *taken.by_user.entry(user.clone()).or_default() += 1;
        Ok(UserPermit { permits: self.clone(), environment: environment.clone(), user })
    }
}

impl Inner {
    /// What the other environments have not taken of their shares.
    fn kept_for_others(&self, taken: &Taken, environment: &Environment) -> usize {
        let others = taken.by_environment.iter().filter(|(other, _)| *other != environment);
        let taken: usize = others.map(|(_, count)| self.share.min(*count)).sum();
        ((self.environments - 1) * self.share).saturating_sub(taken)
    }
}

impl Drop for UserPermit {
    fn drop(&mut self) {
        let mut taken = lock(&self.permits.0.taken);
        taken.all -= 1;
        self.permits.0.in_use.set(taken.all as f64);
        if let Some(count) = taken.by_environment.get_mut(&self.environment) {
            *count -= 1;
        }
        if let Some(count) = taken.by_user.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                taken.by_user.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_gets_so_many_and_all_together_so_many_and_what_is_dropped_is_free_again() {
        let [prod, test] = ["prod", "test"].map(|name| name.parse::<Environment>().unwrap());
        let permits = UserPermits::new("four", 4, 2, 1);
        let first = permits.take(&prod, "ada").unwrap();
        let _second = permits.take(&prod, "ada").unwrap();
        assert_eq!(permits.take(&prod, "ada").unwrap_err(), NoPermit::UserHasMost(2));
        let _elsewhere = permits.take(&test, "ada").unwrap();
        let _bobs = permits.take(&prod, "bob").unwrap();
        assert_eq!(permits.take(&prod, "eve").unwrap_err(), NoPermit::AllTaken(4));
        drop(first);
        let eves = permits.take(&prod, "eve").unwrap();
        assert_eq!(permits.take(&prod, "ada").unwrap_err(), NoPermit::AllTaken(4));
        drop(eves);
        let _again = permits.take(&prod, "ada").unwrap();
        assert_eq!(lock(&permits.0.taken).by_user.len(), 3, "who has none is forgotten");
    }

    #[test]
    fn no_environment_takes_the_share_of_another() {
        let [prod, test] = ["prod", "test"].map(|name| name.parse::<Environment>().unwrap());
        let permits = UserPermits::new("eight", 8, 1, 2);
        let users: Vec<_> = (0..8).map(|user| permits.take(&test, &format!("user-{user}"))).collect();
        assert_eq!(users.iter().filter(|permit| permit.is_ok()).count(), 6);
        let _two = [permits.take(&prod, "ada").unwrap(), permits.take(&prod, "bob").unwrap()];
        assert_eq!(permits.take(&prod, "eve").unwrap_err(), NoPermit::AllTaken(8));
        drop(users);
        let more: Vec<_> = (0..8).map(|user| permits.take(&prod, &format!("user-{user}"))).collect();
        assert_eq!(more.iter().filter(|permit| permit.is_ok()).count(), 4, "the other's share is kept for it");
    }
}
