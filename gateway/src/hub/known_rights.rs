//! Which clients that other pods hold have been seen with which rights, so that their pings need not be passed on.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Mutex,
};

use super::connection_token::HubId;
use crate::{lock::lock, token::Claims};

/// Most clients that are known; beyond it all are forgotten, and the next ping of each is passed on once more.
const MAX_KNOWN: usize = 65_536;

/// A hash of the rights that each client's session has, as its pod has confirmed.
#[derive(Debug, Default)]
pub struct KnownRights {
    hasher: RandomState,
    by_client: Mutex<HashMap<HubId, u64>>,
}

impl KnownRights {
    /// Returns true if the client's session is known to have the rights of these claims.
    pub(super) fn are(&self, id: &HubId, claims: &Claims) -> bool {
        lock(&self.by_client).get(id) == Some(&self.hash(claims))
    }

    /// Remembers that the client's session has the rights of these claims.
    pub(super) fn remember(&self, id: HubId, claims: &Claims) {
        let mut by_client = lock(&self.by_client);
        if by_client.len() >= MAX_KNOWN {
            by_client.clear();
        }
        by_client.insert(id, self.hash(claims));
    }

    fn hash(&self, claims: &Claims) -> u64 {
        self.hasher.hash_one(claims.rights())
    }
}
