//! For whom a gateway signs tasks without being asked: those whom its settings name.

use std::str::FromStr;

use model::{Schedule, audience::is_id};

/// An entry of `gateway.schedules_for`: `user:<id>`, `group:<name>`, or `*` for all users and groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beneficiary(String);

impl FromStr for Beneficiary {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "*" => Ok(Self(text.to_owned())),
            Some(("user" | "group", id)) if is_id(id) => Ok(Self(text.to_owned())),
            _ => Err("it is neither user:ID nor group:NAME nor *"),
        }
    }
}

/// Checks that this gateway may sign tasks for its owner and groups.
pub(super) fn check(schedule: &Schedule, allowed: &[Beneficiary]) -> Result<(), String> {
    let is_allowed = |term: &str| allowed.iter().any(|entry| entry.0 == "*" || entry.0 == term);
    let owner = format!("user:{}", schedule.owner);
    let mut terms = std::iter::once(owner).chain(schedule.groups.iter().map(|group| format!("group:{group}")));
    match terms.find(|term| !is_allowed(term)) {
        None => Ok(()),
        Some(term) => Err(format!("{term} is not in gateway.schedules_for (BELLWIRE_GATEWAY__SCHEDULES_FOR)")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_gateway_signs_for_nobody_whom_its_settings_do_not_name() {
        let json = json!({
            "name": "a.b", "title": "T", "owner": "ada", "groups": ["finance"], "input": {}, "every": 60, "time_zone": "UTC",
        });
        let mut schedule: Schedule = serde_json::from_value(json).unwrap();
        let refused = |schedule: &Schedule, allowed: &[&str]| {
            let allowed: Vec<_> = allowed.iter().map(|entry| entry.parse().unwrap()).collect();
            check(schedule, &allowed).err()
        };
        assert_eq!(refused(&schedule, &["user:ada", "group:finance"]), None);
        assert_eq!(refused(&schedule, &["*"]), None);
        for (allowed, named) in [
            (&[][..], "user:ada"),
            (&["user:ada"], "group:finance"),
            (&["group:ada", "group:finance"], "user:ada"),
            (&["user:ad", "group:finance"], "user:ada"),
        ] {
            assert!(
                refused(&schedule, allowed).unwrap().starts_with(&format!("{named} is not in gateway.schedules_for"))
            );
        }
        schedule.groups.clear();
        assert_eq!(refused(&schedule, &["user:ada"]), None);
        assert!("ada".parse::<Beneficiary>().is_err() && "user:".parse::<Beneficiary>().is_err());
    }
}
