//! How jobs are treated beside what they do: before or behind others, how often tried, once at a time, how many in a time.

use std::{fmt, str::FromStr, time::Duration};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Whether a job overtakes those that wait, or waits behind them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// It waits behind all others.
    Low,
    /// In its turn.
    #[default]
    Normal,
    /// It overtakes what waits.
    High,
}

impl Priority {
    /// True for the one that is not written.
    pub fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}

/// Attempts at a job and the pauses between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// The pauses; without them those of every job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pauses: Option<Pauses>,
}

/// Pauses that double from the first to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pauses {
    /// After the first attempt, in milliseconds.
    pub first: u64,
    /// None is longer, in milliseconds.
    pub most: u64,
}

impl Pauses {
    /// The pause after this attempt, counted from 1.
    pub fn after(&self, attempt: u32) -> Duration {
        let factor = 1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX);
        Duration::from_millis(self.first.saturating_mul(factor).min(self.most))
    }
}

/// How many jobs begin in a time: evenly, so that no more begin in any such time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// So many jobs, at least 1.
    pub jobs: u32,
    /// In so many milliseconds, at least 1.
    pub period: u64,
    /// So many may begin at once after a time without any; at least 1.
    #[serde(default = "one")]
    pub burst: u32,
    /// Each value of these has a rate of its own; without any all jobs share one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<KeyPart>,
}

impl Rate {
    /// A digest of what shares this rate with a job: another limit is another rate.
    pub fn key(&self, of: &str, owner: &str, input: &Value) -> String {
        let Self { jobs, period, burst, by } = self;
        let values: Vec<_> = by.iter().map(|part| (part.to_string(), part.value(owner, input))).collect();
        let text = serde_json::json!([of, jobs, period, burst, values]).to_string();
        HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
    }
}

fn one() -> u32 {
    1
}

/// A part of what tells one job from another: `owner`, `input`, or a field of the input such as `input.parameters.month`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum KeyPart {
    /// The user whose job it is.
    Owner,
    /// All of the input.
    Input,
    /// The field of the input at this path.
    Field(Vec<String>),
}

/// A text that is no part of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of \"owner\", \"input\" and a field such as \"input.file\"")]
pub struct InvalidKeyPart(String);

impl KeyPart {
    /// Its value for a job; null where the input has no such field.
    pub fn value(&self, owner: &str, input: &Value) -> Value {
        match self {
            Self::Owner => owner.into(),
            Self::Input => input.clone(),
            Self::Field(path) => {
                path.iter().try_fold(input, |value, name| value.get(name)).cloned().unwrap_or_default()
            }
        }
    }
}

impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Input => f.write_str("input"),
            Self::Field(path) => write!(f, "input.{}", path.join(".")),
        }
    }
}

impl FromStr for KeyPart {
    type Err = InvalidKeyPart;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("input.") {
            None if text == "owner" => Ok(Self::Owner),
            None if text == "input" => Ok(Self::Input),
            Some(path) if path.split('.').all(|name| !name.is_empty()) && path.len() <= 256 => {
                Ok(Self::Field(path.split('.').map(str::to_owned).collect()))
            }
            _ => Err(InvalidKeyPart(text.chars().take(60).collect())),
        }
    }
}

crate::text_form!(KeyPart);

/// How the jobs of a function, or of one of its definitions, are treated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Normal if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// The worker's settings if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Of the jobs for which these are the same, at most one is unfinished; an empty list is all jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<Vec<KeyPart>>,
    /// How many begin in a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// The policies of a function.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Policies {
    /// That of all its jobs; what a definition says goes before it, and a rate holds beside the definition's.
    #[serde(default)]
    pub every: Policy,
    /// Those of its definitions that have one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definitions: Vec<DefinitionPolicy>,
}

/// The policy of a definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DefinitionPolicy {
    /// The name of the definition.
    pub name: String,
    /// What every input has that starts it, such as `{"report": "sales"}`.
    pub input: Map<String, Value>,
    /// Its policy.
    pub policy: Policy,
}

/// The policy of one job.
#[derive(Debug, Clone, Copy)]
pub struct JobPolicy<'a> {
    every: &'a Policy,
    definition: Option<&'a DefinitionPolicy>,
}

impl Policies {
    /// True if there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// True if a rate holds for some of its jobs.
    pub fn has_rate(&self) -> bool {
        let definitions = self.definitions.iter().map(|definition| &definition.policy);
        definitions.chain([&self.every]).any(|policy| policy.rate.is_some())
    }

    /// That of a job with this input.
    pub fn of(&self, input: &Value) -> JobPolicy<'_> {
        let is_of = |definition: &&DefinitionPolicy| {
            definition.input.iter().all(|(name, value)| input.get(name) == Some(value))
        };
        JobPolicy { every: &self.every, definition: self.definitions.iter().find(is_of) }
    }
}

impl<'a> JobPolicy<'a> {
    fn own(&self) -> Option<&'a Policy> {
        self.definition.map(|definition| &definition.policy)
    }

    fn of<T>(&self, part: impl Fn(&'a Policy) -> Option<T>) -> Option<T> {
        self.own().and_then(&part).or_else(|| part(self.every))
    }

    /// Its priority.
    pub fn priority(&self) -> Priority {
        self.of(|policy| policy.priority).unwrap_or_default()
    }

    /// Its attempts.
    pub fn retry(&self) -> Option<&'a Retry> {
        self.of(|policy| policy.retry.as_ref())
    }

    /// What makes it the only one, and among the jobs of what: the definition's name, or empty for the function.
    pub fn unique(&self) -> Option<(&'a str, &'a [KeyPart])> {
        match (self.definition, &self.every.unique) {
            (Some(DefinitionPolicy { name, policy: Policy { unique: Some(unique), .. }, .. }), _) => {
                Some((name, unique))
            }
            (_, Some(unique)) => Some(("", unique)),
            _ => None,
        }
    }

    /// The rates that hold for it, each with the name of what it is of as in [`JobPolicy::unique`].
    pub fn rates(&self) -> impl Iterator<Item = (&'a str, &'a Rate)> + use<'a> {
        let own =
            self.definition.and_then(|definition| Some((definition.name.as_str(), definition.policy.rate.as_ref()?)));
        self.every.rate.as_ref().map(|rate| ("", rate)).into_iter().chain(own)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_of_a_key_is_the_owner_the_input_or_a_field_of_it() {
        let input = json!({ "parameters": { "month": "2026-11" } });
        let value = |part: &str| part.parse::<KeyPart>().unwrap().value("ada", &input);
        assert_eq!(value("owner"), json!("ada"));
        assert_eq!((value("input"), value("input.parameters.month")), (input.clone(), json!("2026-11")));
        assert_eq!(value("input.parameters.year"), Value::Null);
        for text in ["", "user", "input.", "input..a", "inputs.a"] {
            assert!(text.parse::<KeyPart>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_definition_goes_before_its_function_and_both_their_rates_hold() {
        let every = json!({ "priority": "low", "retry": { "attempts": 9 }, "rate": { "jobs": 1, "period": 1000 } });
        let own = json!({ "priority": "high", "unique": ["owner"], "rate": { "jobs": 2, "period": 1000 } });
        let policies = json!({ "every": every, "definitions": [{ "name": "sales", "input": { "report": "sales" }, "policy": own }] });
        let policies: Policies = serde_json::from_value(policies).unwrap();
        let (sales, other) =
            (policies.of(&json!({ "report": "sales", "x": 1 })), policies.of(&json!({ "report": "b" })));
        assert_eq!((sales.priority(), other.priority()), (Priority::High, Priority::Low));
        assert_eq!(sales.retry().map(|retry| retry.attempts), Some(9));
        assert_eq!((sales.unique(), other.unique()), (Some(("sales", &[KeyPart::Owner][..])), None));
        let jobs = |policy: JobPolicy<'_>| {
            policy.rates().map(|(name, rate)| format!("{name}{}", rate.jobs)).collect::<Vec<_>>()
        };
        assert_eq!((jobs(sales), jobs(other)), (vec!["1".to_owned(), "sales2".to_owned()], vec!["1".to_owned()]));
        assert_eq!(Policies::default().of(&Value::Null).priority(), Priority::Normal);
    }

    #[test]
    fn pauses_double_up_to_the_longest_however_many_there_are() {
        let pauses = Pauses { first: 5_000, most: 600_000 };
        let seconds = [1, 2, 3, 8, 64, u32::MAX].map(|attempt| pauses.after(attempt).as_secs());
        assert_eq!(seconds, [5, 10, 20, 600, 600, 600]);
    }
}
