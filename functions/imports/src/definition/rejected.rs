//! The rows of a file that may be rejected before a person has to confirm its import.

use serde::Deserialize;

use crate::config::ImportsConfig;

/// So many may be rejected of a file that adds rows, unless they are more than half.
const FEW_ROWS: u64 = 10;

/// What a definition says of it, `[rejected]`: a number of rows, and a share of all rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RejectedEntry {
    pub(crate) rows: Option<u64>,
    pub(crate) share: Option<f64>,
}

/// The rows that may be rejected before a person has to confirm an import.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RejectedLimits {
    adding: RejectedLimit,
    /// Where rows that are there are replaced.
    replacing: RejectedLimit,
}

/// A number of rows, and a share of all rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RejectedLimit {
    pub(crate) rows: u64,
    share: f64,
    /// So many may be, whatever their share, as long as they are not more than half.
    few: u64,
}

impl RejectedLimits {
    /// Those of the settings.
    pub(crate) fn of(config: &ImportsConfig) -> Self {
        Self {
            adding: RejectedLimit { rows: config.rejected_limit, share: config.rejected_share, few: FEW_ROWS },
            replacing: RejectedLimit {
                rows: config.rejected_limit_replacing,
                share: config.rejected_share_replacing,
                few: 0,
            },
        }
    }

    /// The same with what a definition says instead, whatever happens to rows that are there.
    pub(crate) fn overridden(self, by: RejectedEntry) -> Self {
        let overridden = |limit: RejectedLimit| RejectedLimit {
            rows: by.rows.unwrap_or(limit.rows),
            share: by.share.unwrap_or(limit.share),
            few: if by.share.is_some() { 0 } else { limit.few },
        };
        Self { adding: overridden(self.adding), replacing: overridden(self.replacing) }
    }

    /// The limit of a load.
    pub(crate) fn of_load(self, replaces_rows: bool) -> RejectedLimit {
        if replaces_rows { self.replacing } else { self.adding }
    }
}

impl RejectedLimit {
    /// True if so many of all rows may be.
    pub(crate) fn allows(self, rejected: u64, all: u64) -> bool {
        let share = rejected as f64 / all as f64;
        rejected <= self.rows && (share <= self.share || (rejected <= self.few && rejected * 2 <= all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_allows_fewer_and_a_few_are_no_reason_to_ask_where_rows_are_added() {
        let limits = RejectedLimits::of(&ImportsConfig::default());
        let adding = |rejected, all| limits.of_load(false).allows(rejected, all);
        let replacing = |rejected, all| limits.of_load(true).allows(rejected, all);
        assert!(adding(1, 2) && adding(10, 20) && adding(100, 1000) && adding(10_000, 1_000_000));
        assert!(!adding(2, 3) && !adding(11, 30) && !adding(101, 1000) && !adding(10_001, 1_000_000));
        assert!(replacing(1, 20) && replacing(1000, 1_000_000));
        assert!(!replacing(1, 2) && !replacing(1, 19) && !replacing(1001, 1_000_000));
        let own = limits.overridden(RejectedEntry { rows: Some(2), share: Some(0.5) });
        assert!(own.of_load(true).allows(2, 4) && !own.of_load(true).allows(3, 9) && !own.of_load(false).allows(2, 3));
    }
}
