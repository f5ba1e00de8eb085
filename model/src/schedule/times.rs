//! The times of a schedule: by the clocks of a zone, or at equal distances.
//!
//! A time of cron is what clocks show. One that they leap over is at the leap, once; one that they show twice is at its first.
//! Where the field of the hour is `*`, each hour that passes counts: one that comes twice is two, one that is left out none.

use std::fmt;

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

/// No clock was ever set back by more, in a zone that is in use.
const LARGEST_SET_BACK: SignedDuration = SignedDuration::from_hours(3);
/// The shortest and the longest distance of `every`, in seconds.
const SHORTEST: u64 = 1;
const LONGEST: u64 = 366 * 24 * 3600;
/// The parts of the past in which the last times are looked for, one after another.
const PASTS: [SignedDuration; 4] = [
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(48),
    SignedDuration::from_hours(24 * 40),
    SignedDuration::from_hours(24 * 366 * 9),
];

/// What is wrong with the times of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidTimes {
    /// `cron`, `every` or `time_zone`.
    pub field: &'static str,
    /// The reason.
    pub reason: String,
}

/// The times of a schedule, cheap to ask again and again.
#[derive(Clone)]
pub struct Times {
    zone: TimeZone,
    rule: Rule,
}

#[derive(Clone)]
enum Rule {
    Cron { cron: Box<Cron>, is_hourly: bool },
    Every(i64),
}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Times").finish_non_exhaustive()
    }
}

impl Times {
    /// The times of one of both, by the clocks of a zone; some must lie ahead.
    pub fn new(cron: Option<&str>, every: Option<u64>, time_zone: &str) -> Result<Self, InvalidTimes> {
        let invalid = |field, reason: String| InvalidTimes { field, reason };
        let zone = TimeZone::get(time_zone).map_err(|_| {
            invalid("time_zone", format!("there is no {time_zone:?}; it is an IANA name such as Europe/Berlin"))
        })?;
        let rule = match (cron, every) {
            (Some(cron), None) => parse(cron).map_err(|reason| invalid("cron", reason))?,
            (None, Some(every)) if (SHORTEST..=LONGEST).contains(&every) => Rule::Every(every as i64),
            (None, Some(_)) => return Err(invalid("every", "it is from one second to 366 days".to_owned())),
            _ => return Err(invalid("cron", "a schedule has either cron or every".to_owned())),
        };
        let times = Self { zone, rule };
        match times.next(Timestamp::now()) {
            Some(_) => Ok(times),
            None => Err(invalid("cron", format!("{:?} is never", cron.unwrap_or_default()))),
        }
    }

    /// The zone whose clocks it follows.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The first time after this one.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.rule {
            Rule::Every(seconds) => next_multiple(*seconds, after),
            Rule::Cron { cron, is_hourly } => self.next_of_cron(cron, *is_hourly, after),
        }
    }

    /// The last times after one and up to another, at most so many, the earliest first.
    pub fn last(&self, after: Timestamp, until: Timestamp, most: usize) -> Vec<Timestamp> {
        let mut found = Vec::new();
        // However long nobody has asked: what lies far back is looked at only if there is not enough nearer.
        for past in PASTS {
            let start = until.checked_sub(past).unwrap_or(after).max(after);
            let mut next = self.next(start);
            found.clear();
            while let Some(time) = next.filter(|time| *time <= until) {
                if found.len() == most {
                    found.remove(0);
                }
                found.push(time);
                next = self.next(time);
            }
            if found.len() == most || start == after {
                break;
            }
        }
        found
    }

    fn next_of_cron(&self, cron: &Cron, is_hourly: bool, after: Timestamp) -> Option<Timestamp> {
        let mut shown = self.zone.to_datetime(after);
        let soon = after.checked_add(LARGEST_SET_BACK).ok()?;
        if is_hourly && self.zone.to_offset(soon) < self.zone.to_offset(after) {
            // Clocks that are set back soon show times again that lie behind what they show now.
            shown = shown.checked_sub(LARGEST_SET_BACK).ok()?;
        }
        let mut again: Option<Timestamp> = None;
        while let Ok(next) = cron.find_next_occurrence(&shown, false) {
            shown = next;
            let Some((first, second)) = self.instants(next, is_hourly) else { continue };
            if first > after {
                return Some(again.map_or(first, |again| again.min(first)));
            }
            if again.is_none() {
                again = second.filter(|second| *second > after);
            }
        }
        again
    }

    /// The instant of a time that clocks show, and a second one where it counts again.
    fn instants(&self, shown: DateTime, is_hourly: bool) -> Option<(Timestamp, Option<Timestamp>)> {
        match self.zone.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => Some((offset.to_timestamp(shown).ok()?, None)),
            AmbiguousOffset::Fold { before, after } => {
                let again = after.to_timestamp(shown).ok().filter(|_| is_hourly);
                Some((before.to_timestamp(shown).ok()?, again))
            }
            AmbiguousOffset::Gap { .. } if is_hourly => None,
            AmbiguousOffset::Gap { before, .. } => {
                let behind = before.to_timestamp(shown).ok()?.checked_add(SignedDuration::from_nanos(1)).ok()?;
                let leap = self.zone.preceding(behind).next()?;
                Some((leap.timestamp(), None))
            }
        }
    }
}

fn parse(text: &str) -> Result<Rule, String> {
    let fields: Vec<_> = text.split_whitespace().collect();
    if fields.len() != 5 {
        return Err(format!(
            "{text:?} has not the five fields: minute, hour, day of the month, month, day of the week"
        ));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser.parse(text).map_err(|error| format!("{text:?}: {error}"))?;
    Ok(Rule::Cron { cron: Box::new(cron), is_hourly: fields[1] == "*" })
}

/// Counted from 1970, so that everybody who counts comes to the same.
fn next_multiple(seconds: i64, after: Timestamp) -> Option<Timestamp> {
    let next = after.as_second().div_euclid(seconds).checked_add(1)?.checked_mul(seconds)?;
    // `as_second` rounds towards zero, which is late before 1970 and of no matter.
    Timestamp::from_second(next).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(cron: &str, zone: &str) -> Times {
        Times::new(Some(cron), None, zone).unwrap()
    }

    /// The first times after an instant, as clocks there show them.
    fn next(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let (times, mut at) = (times(cron, zone), after.parse::<Timestamp>().unwrap());
        let mut next = || {
            at = times.next(at).unwrap();
            at.to_zoned(times.zone().clone()).strftime("%m-%d %H:%M%:z").to_string()
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn a_time_that_clocks_leap_over_is_once_at_the_leap() {
        let night = "2026-03-28T12:00:00Z";
        assert_eq!(next("30 2 * * *", "Europe/Berlin", night, 2), ["03-29 03:00+02:00", "03-30 02:30+02:00"]);
        assert_eq!(next("0,20,40 2 * * *", "Europe/Berlin", night, 2), ["03-29 03:00+02:00", "03-30 02:00+02:00"]);
        assert_eq!(next("0 2,3 * * *", "Europe/Berlin", night, 2), ["03-29 03:00+02:00", "03-30 02:00+02:00"]);
        let night = "2026-03-07T12:00:00Z";
        assert_eq!(next("15 2 * * *", "America/New_York", night, 2), ["03-08 03:00-04:00", "03-09 02:15-04:00"]);
        let night = "2026-10-03T12:00:00Z";
        assert_eq!(next("15 2 * * *", "Australia/Lord_Howe", night, 2), ["10-04 02:30+11:00", "10-05 02:15+11:00"]);
    }

    #[test]
    fn a_time_that_clocks_show_twice_is_once() {
        let night = "2026-10-24T12:00:00Z";
        assert_eq!(next("30 2 * * *", "Europe/Berlin", night, 2), ["10-25 02:30+02:00", "10-26 02:30+01:00"]);
        let both = ["10-25 02:00+02:00", "10-25 02:30+02:00", "10-25 03:00+01:00"];
        assert_eq!(next("*/30 2,3 * * *", "Europe/Berlin", night, 3), both);
        let night = "2026-10-31T12:00:00Z";
        assert_eq!(next("30 1 * * *", "America/New_York", night, 2), ["11-01 01:30-04:00", "11-02 01:30-05:00"]);
        let night = "2026-04-04T06:00:00Z";
        assert_eq!(next("45 1 * * *", "Australia/Lord_Howe", night, 2), ["04-05 01:45+11:00", "04-06 01:45+10:30"]);
    }

    #[test]
    fn where_every_hour_is_meant_the_hour_that_comes_twice_is_two_and_none_is_missing() {
        let before = "2026-10-25T00:10:00Z";
        let expected =
            ["10-25 02:15+02:00", "10-25 02:45+02:00", "10-25 02:15+01:00", "10-25 02:45+01:00", "10-25 03:15+01:00"];
        assert_eq!(next("15,45 * * * *", "Europe/Berlin", before, 5), expected);
        let expected = ["03-29 01:30+01:00", "03-29 03:30+02:00", "03-29 04:30+02:00"];
        assert_eq!(next("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3), expected);
        let half = ["04-05 01:45+11:00", "04-05 01:45+10:30", "04-05 02:45+10:30"];
        assert_eq!(next("45 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00Z", 3), half);
    }

    #[test]
    fn days_are_those_of_the_calendar_in_every_month_and_year() {
        let all = |cron, after, count| next(cron, "Asia/Kolkata", after, count).join(" ");
        assert_eq!(
            all("0 0 L * *", "2026-11-29T00:00:00Z", 3),
            "11-30 00:00+05:30 12-31 00:00+05:30 01-31 00:00+05:30"
        );
        assert_eq!(all("0 9 * * FRI#L", "2026-11-29T00:00:00Z", 2), "12-25 09:00+05:30 01-29 09:00+05:30");
        assert_eq!(all("0 0 29 2 *", "2026-11-29T00:00:00Z", 1), "02-29 00:00+05:30");
        assert_eq!(all("0 6 * * MON-FRI", "2026-11-27T06:00:00Z", 1), "11-30 06:00+05:30");
    }

    #[test]
    fn what_is_no_time_is_refused_with_its_field() {
        let error = |cron: Option<&str>, every, zone: &str| Times::new(cron, every, zone).unwrap_err().to_string();
        assert_eq!(error(Some("0 0 30 2 *"), None, "UTC"), "cron: \"0 0 30 2 *\" is never");
        for bad in [
            "",
            "* * * *",
            "* * * * * *",
            "61 * * * *",
            "* 24 * * *",
            "@daily",
            "0 0 * * XYZ",
            "0 0 0 * *",
            "*/0 * * * *",
        ] {
            assert!(error(Some(bad), None, "UTC").starts_with("cron: "), "{bad}");
        }
        assert!(
            error(Some("0 0 * * *"), None, "Europe/Atlantis").starts_with("time_zone: there is no \"Europe/Atlantis\"")
        );
        assert!(
            error(None, Some(0), "UTC").starts_with("every: ")
                && error(None, Some(u64::MAX), "UTC").starts_with("every: ")
        );
        assert!(
            error(None, None, "UTC").contains("either") && error(Some("0 0 * * *"), Some(5), "UTC").contains("either")
        );
    }

    #[test]
    fn equal_distances_are_counted_from_1970_whatever_clocks_show() {
        let times = Times::new(None, Some(900), "Europe/Berlin").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(times.next(at("2026-10-25T00:59:59Z")), Some(at("2026-10-25T01:00:00Z")));
        assert_eq!(times.next(at("2026-10-25T01:00:00Z")), Some(at("2026-10-25T01:15:00Z")));
    }

    #[test]
    fn the_last_times_of_a_long_past_are_found_without_going_through_all_of_it() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (years_ago, now) = (at("1996-01-01T00:00:00Z"), at("2026-11-29T00:00:30Z"));
        let minutes = times("* * * * *", "UTC").last(years_ago, now, 100);
        assert_eq!((minutes.len(), minutes[99]), (100, at("2026-11-29T00:00:00Z")));
        assert_eq!(times("0 0 29 2 *", "UTC").last(years_ago, now, 1), [at("2024-02-29T00:00:00Z")]);
        let since = times("0 * * * *", "UTC").last(at("2026-11-28T22:00:00Z"), now, 100);
        assert_eq!(since, [at("2026-11-28T23:00:00Z"), at("2026-11-29T00:00:00Z")]);
    }
}
