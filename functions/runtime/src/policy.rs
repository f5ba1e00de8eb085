//! How attempts and rates are written in definitions and settings: `retry = { attempts = 3, first = "5s", most = "10m" }`,
//! `rate = "10/s"`.

use std::{fmt, time::Duration};

use model::policy::{KeyPart, Pauses, Rate, Retry};
use process::quantity;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// The most attempts at a job, or at a step.
pub const MAX_ATTEMPTS: u32 = 20;
/// The longest pause between two of them, and the longest period of a rate.
const MAX_PAUSE: Duration = Duration::from_secs(366 * 24 * 3600);
/// The longest pause where only the first is given.
const USUAL_MOST: Duration = Duration::from_secs(600);
/// The most jobs of a rate in its period.
const MAX_JOBS: u32 = 1_000_000;

/// A time as it is written: `10s`, `5m`, `12h`, `30d`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String")]
pub struct WrittenDuration(#[serde(deserialize_with = "quantity::duration")] pub Duration);

impl WrittenDuration {
    fn milliseconds(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl From<WrittenDuration> for String {
    fn from(duration: WrittenDuration) -> Self {
        format!("{}ms", duration.0.as_millis())
    }
}

/// `retry` of a definition, of a workflow's step or of a worker's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySetting {
    /// Attempts in all.
    pub attempts: u32,
    /// The pause after the first attempt; each later one is twice as long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<WrittenDuration>,
    /// The longest pause; `10m` if only `first` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<WrittenDuration>,
    /// Instead of both: the same pause each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<WrittenDuration>,
}

impl RetrySetting {
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let RetrySetting { attempts, first, most, delay } = self;
        if !(1..=MAX_ATTEMPTS).contains(attempts) {
            return Err(format!("retry.attempts: it is 1 to {MAX_ATTEMPTS}"));
        }
        for (name, pause) in [("first", first), ("most", most), ("delay", delay)] {
            if pause.is_some_and(|pause| pause.0 > MAX_PAUSE) {
                return Err(format!("retry.{name}: it is at most a year"));
            }
        }
        match (first, most, delay) {
            (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                Err("retry.delay: it is the same each time; with first and most leave it out".to_owned())
            }
            (None, Some(_), _) => Err("retry.most: it needs first".to_owned()),
            (Some(first), Some(most), _) if most.0 < first.0 => Err("retry.most: it is shorter than first".to_owned()),
            _ => Ok(()),
        }
    }

    /// The pauses that it names, if it does.
    pub fn pauses(&self) -> Option<Pauses> {
        if let Some(delay) = self.delay {
            return Some(Pauses { first: delay.milliseconds(), most: delay.milliseconds() });
        }
        let first = self.first?.0;
        let most = self.most.map_or(USUAL_MOST.max(first), |most| most.0);
        let milliseconds = |pause| WrittenDuration(pause).milliseconds();
        Some(Pauses { first: milliseconds(first), most: milliseconds(most) })
    }

    /// As a policy has it.
    pub fn retry(&self) -> Retry {
        Retry { attempts: self.attempts, pauses: self.pauses() }
    }
}

/// `rate` of a definition or of a worker's settings: `"10/s"`, or `{ limit = "5/m", by = ["owner"], burst = 2 }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateSetting(pub Rate);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateTable {
    limit: Limit,
    #[serde(default)]
    by: Vec<KeyPart>,
    #[serde(default)]
    burst: Option<u32>,
}

/// `10/s`, `5/m`, `1/90s`: so many jobs in a second, a minute, 90 seconds.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Limit {
    jobs: u32,
    period: u64,
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || {
            let text: String = text.chars().take(60).collect();
            format!("{text:?} is no rate; write it like 10/s, 5/m, 100/h or 1/90s")
        };
        let (jobs, period) = text.split_once('/').ok_or_else(wrong)?;
        let jobs: u32 = jobs.trim().parse().map_err(|_| wrong())?;
        let period = period.trim();
        // A unit alone is one of it.
        let period = if period.starts_with(|first: char| first.is_ascii_digit()) {
            period.to_owned()
        } else {
            format!("1{period}")
        };
        let period = quantity::parse_duration(&period).map_err(|_| wrong())?;
        if !(1..=MAX_JOBS).contains(&jobs) || period.as_millis() == 0 || period > MAX_PAUSE {
            return Err(format!("{text:?}: it is 1 to {MAX_JOBS} jobs, in a year at most"));
        }
        Ok(Self { jobs, period: WrittenDuration(period).milliseconds() })
    }
}

impl RateTable {
    fn rate(self) -> Result<RateSetting, String> {
        let RateTable { limit: Limit { jobs, period }, by, burst } = self;
        let burst = burst.unwrap_or(1);
        if !(1..=MAX_JOBS).contains(&burst) {
            return Err(format!("burst: it is 1 to {MAX_JOBS}"));
        }
        Ok(RateSetting(Rate { jobs, period, burst, by }))
    }
}

impl<'de> Deserialize<'de> for RateSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = RateTable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate such as \"10/s\", or a table with limit, by and burst")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RateTable, E> {
                let limit = Limit::try_from(text.to_owned()).map_err(E::custom)?;
                Ok(RateTable { limit, by: Vec::new(), burst: None })
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<RateTable, M::Error> {
                RateTable::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_any(Written)?.rate().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rate(written: serde_json::Value) -> Result<Rate, String> {
        serde_json::from_value::<RateSetting>(written).map(|setting| setting.0).map_err(|error| error.to_string())
    }

    #[test]
    fn a_rate_is_a_number_of_jobs_in_a_time_and_everything_else_is_refused_with_what_it_says() {
        let parts = |written| rate(written).map(|rate| (rate.jobs, rate.period, rate.burst, rate.by.len()));
        assert_eq!(parts(json!("10/s")), Ok((10, 1_000, 1, 0)));
        assert_eq!(parts(json!("5/m")), Ok((5, 60_000, 1, 0)));
        assert_eq!(parts(json!("1/90s")), Ok((1, 90_000, 1, 0)));
        assert_eq!(
            parts(json!({ "limit": "3 / h", "by": ["owner", "input.to"], "burst": 3 })),
            Ok((3, 3_600_000, 3, 2))
        );
        for (written, words) in [
            (json!("10"), "\"10\" is no rate"),
            (json!("0/s"), "1 to 1000000 jobs"),
            (json!("-1/s"), "is no rate"),
            (json!("1/fortnight"), "is no rate"),
            (json!("1/0s"), "1 to 1000000 jobs"),
            (json!({ "limit": "1/s", "burst": 0 }), "burst: it is 1 to"),
            (json!({ "limit": "1/s", "by": ["user"] }), "\"user\" is none of"),
            (json!({ "limits": "1/s" }), "unknown field `limits`"),
            (json!(10), "expected a rate such as"),
        ] {
            let error = parts(written).unwrap_err();
            assert!(error.contains(words), "{words} in {error}");
        }
    }

    #[test]
    fn the_pauses_of_a_retry_are_the_same_or_grow_or_are_those_of_every_job() {
        let read = |written| serde_json::from_value::<RetrySetting>(written).unwrap();
        let seconds = |written: serde_json::Value| {
            let setting = read(written);
            setting
                .check()
                .map(|()| setting.pauses().map(|pauses| [1, 2, 9].map(|attempt| pauses.after(attempt).as_secs())))
        };
        assert_eq!(seconds(json!({ "attempts": 3 })), Ok(None));
        assert_eq!(seconds(json!({ "attempts": 3, "delay": "30s" })), Ok(Some([30, 30, 30])));
        assert_eq!(seconds(json!({ "attempts": 3, "first": "5s", "most": "1m" })), Ok(Some([5, 10, 60])));
        assert_eq!(seconds(json!({ "attempts": 3, "first": "5s" })), Ok(Some([5, 10, 600])));
        assert_eq!(seconds(json!({ "attempts": 3, "first": "1h" })), Ok(Some([3600, 3600, 3600])));
        for (written, words) in [
            (json!({ "attempts": 0 }), "retry.attempts: it is 1 to 20"),
            (json!({ "attempts": 21 }), "retry.attempts: it is 1 to 20"),
            (json!({ "attempts": 2, "most": "5s" }), "retry.most: it needs first"),
            (json!({ "attempts": 2, "first": "5s", "most": "1s" }), "retry.most: it is shorter than first"),
            (json!({ "attempts": 2, "first": "5s", "delay": "1s" }), "retry.delay: it is the same each time"),
            (json!({ "attempts": 2, "delay": "400d" }), "retry.delay: it is at most a year"),
        ] {
            assert_eq!(seconds(written).map_err(|error| error.starts_with(words)), Err(true), "{words}");
        }
        let kept = serde_json::to_value(read(json!({ "attempts": 2, "delay": "5s" }))).unwrap();
        assert_eq!(kept, json!({ "attempts": 2, "delay": "5000ms" }));
    }
}
