//! The rights that a token gives, whatever its claims are called.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A browser's timer takes milliseconds below 2^31, and goes off at once when it is given more.
const LONGEST_TIMER_SECONDS: u64 = 2_147_483;

/// The claims of a token under the names that Bellwire's own tokens have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user id.
    pub sub: String,
    /// The environment.
    pub env: String,
    /// The user's groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Space-separated: `tasks`, `publish`, `publish:tasks`, `publish:everywhere`, `operate`.
    #[serde(default)]
    pub scope: String,
    /// Its end, in seconds since 1970; of a token that was read, with the leeway.
    pub exp: i64,
    /// The time of issue, in seconds since 1970: it tells which of two tokens of a user is the older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// The issuer; checked where the environment names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The audience; checked where the environment names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
}

impl Claims {
    /// Returns true if it has the scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope.split_whitespace().any(|one| one == scope)
    }

    /// Its groups and scopes, in whatever order they are written.
    pub fn rights(&self) -> (BTreeSet<&str>, BTreeSet<&str>) {
        (self.groups.iter().map(String::as_str).collect(), self.scope.split_whitespace().collect())
    }

    /// Returns true if both give the same rights.
    pub fn has_rights_of(&self, other: &Self) -> bool {
        self.groups == other.groups && self.scope == other.scope || self.rights() == other.rights()
    }

    /// Returns true if it gives every group that the other gives.
    pub fn has_groups_of(&self, other: &Self) -> bool {
        other.rights().0.is_subset(&self.rights().0)
    }

    /// Returns true if it was issued before the other. Without the times of both nobody can tell, and it is not.
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.was_issued_before(other.iat)
    }

    /// Returns true if it was issued before this time.
    pub fn was_issued_before(&self, issued: Option<i64>) -> bool {
        self.iat.zip(issued).is_some_and(|(own, others)| own < others)
    }

    /// Returns true if it has ended.
    pub fn has_expired(&self) -> bool {
        self.expires() <= Timestamp::now()
    }

    /// The whole seconds until its end, for clients that refresh it by then; none, if a timer of theirs cannot wait so long.
    pub fn lifetime_seconds(&self) -> Option<u64> {
        let left = u64::try_from(self.exp.saturating_sub(Timestamp::now().as_second())).unwrap_or_default();
        (left <= LONGEST_TIMER_SECONDS).then_some(left)
    }

    /// Its end.
    pub fn expires(&self) -> Timestamp {
        Timestamp::from_second(self.exp).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
impl Claims {
    /// Those of somebody, for a minute.
    pub(super) fn sample() -> Self {
        Self {
            sub: "ada".into(),
            env: "prod".into(),
            groups: vec!["ops".into()],
            scope: "publish tasks".into(),
            exp: Timestamp::now().as_second() + 60,
            iat: None,
            iss: None,
            aud: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_the_same_in_any_order_and_others_if_one_is_gone_or_new() {
        let of = |groups: &[&str], scope: &str| Claims {
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            scope: scope.to_owned(),
            ..Claims::sample()
        };
        let rights = of(&["ops", "sales"], "tasks publish");
        assert!(rights.has_rights_of(&of(&["sales", "ops", "ops"], " publish  tasks publish")));
        for other in [
            of(&["ops"], "tasks publish"),
            of(&["ops", "sales", "x"], "tasks publish"),
            of(&["ops", "sales"], "tasks"),
            of(&["ops", "sales"], "tasks publish publish:tasks"),
            of(&["ops", "Sales"], "tasks publish"),
        ] {
            assert!(!rights.has_rights_of(&other) && !other.has_rights_of(&rights), "{other:?}");
        }
        assert!(rights.has_groups_of(&of(&["ops"], "")) && !of(&["ops"], "").has_groups_of(&rights));
    }

    #[test]
    fn a_lifetime_is_told_where_a_timer_can_wait_for_it() {
        let ends_in =
            |seconds: i64| Claims { exp: Timestamp::now().as_second().saturating_add(seconds), ..Claims::sample() };
        assert!(ends_in(600).lifetime_seconds().is_some_and(|left| (590..=600).contains(&left)));
        assert_eq!(ends_in(-5).lifetime_seconds(), Some(0));
        assert_eq!(ends_in(60 * 24 * 3600).lifetime_seconds(), None);
        assert_eq!(ends_in(i64::MAX).lifetime_seconds(), None);
    }

    #[test]
    fn only_times_of_issue_tell_which_token_is_older() {
        let issued = |iat, exp| Claims { iat, exp, ..Claims::sample() };
        assert!(issued(Some(1), 9).is_older_than(&issued(Some(2), 5)));
        assert!(!issued(Some(2), 5).is_older_than(&issued(Some(2), 9)));
        assert!(
            !issued(None, 5).is_older_than(&issued(Some(2), 9)) && !issued(Some(1), 5).is_older_than(&issued(None, 9))
        );
    }
}
