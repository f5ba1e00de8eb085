//! Placeholders in the input of a schedule: words such as `{{ last_month }}` that stand for its time.

use jiff::{Timestamp, ToSpan, Zoned, tz::TimeZone};
use serde_json::Value;

/// A placeholder, and what it is at a time.
type Word = (&'static str, fn(&Zoned) -> String);

/// All of them.
const WORDS: [Word; 7] = [
    ("time", |time| time.timestamp().to_string()),
    ("date", |time| time.date().to_string()),
    ("yesterday", |time| time.date().saturating_sub(1.day()).to_string()),
    ("month", |time| time.strftime("%Y-%m").to_string()),
    ("last_month", |time| time.date().first_of_month().saturating_sub(1.month()).strftime("%Y-%m").to_string()),
    ("year", |time| time.strftime("%Y").to_string()),
    ("last_year", |time| (time.year() - 1).to_string()),
];

/// The input of a task at this time, by the clocks of a zone; an error names what is no placeholder.
pub fn fill(input: &Value, time: Timestamp, zone: &TimeZone) -> Result<Value, String> {
    fill_in(input, &time.to_zoned(zone.clone()))
}

fn fill_in(input: &Value, time: &Zoned) -> Result<Value, String> {
    Ok(match input {
        Value::String(text) => text_at(text, time)?.into(),
        Value::Array(values) => {
            Value::Array(values.iter().map(|value| fill_in(value, time)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| Ok((name.clone(), fill_in(value, time)?)));
            Value::Object(fields.collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

fn text_at(text: &str, time: &Zoned) -> Result<String, String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, from)) = rest.split_once("{{") {
        let (word, after) = from.split_once("}}").ok_or_else(|| format!("{text:?}: a }}}} is missing"))?;
        let known = WORDS.iter().find(|(name, _)| *name == word.trim()).ok_or_else(|| {
            let names = WORDS.map(|(name, _)| name).join(", ");
            format!("{{{{ {} }}}} is none of {names}", word.trim().chars().take(60).collect::<String>())
        })?;
        filled.push_str(before);
        filled.push_str(&known.1(time));
        rest = after;
    }
    Ok(filled + rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn they_are_of_the_time_of_the_task_by_the_clocks_of_its_zone() {
        let filled = |time: &str, text: &str| {
            let input = json!({ "a": [text, 7], "b": { "c": text } });
            let filled = fill(&input, time.parse().unwrap(), &TimeZone::get("Europe/Berlin").unwrap()).unwrap();
            assert_eq!(filled["a"][0], filled["b"]["c"]);
            filled["a"][0].as_str().unwrap().to_owned()
        };
        // In Berlin it is the first of March already.
        let time = "2026-02-28T23:30:00Z";
        assert_eq!(filled(time, "{{ date }}, {{yesterday}}, {{ month }}"), "2026-03-01, 2026-02-28, 2026-03");
        assert_eq!(filled(time, "{{ last_month }}/{{ year }}/{{ last_year }}"), "2026-02/2026/2025");
        assert_eq!(filled(time, "at {{ time }}"), "at 2026-02-28T23:30:00Z");
        assert_eq!(filled("2026-03-31T08:00:00Z", "{{ last_month }}"), "2026-02");
        assert_eq!(filled("2026-01-31T08:00:00Z", "{{ last_month }}"), "2025-12");
        assert_eq!(filled(time, "plain { } }}"), "plain { } }}");
    }

    #[test]
    fn what_is_no_placeholder_is_named() {
        let error = |text: &str| fill(&json!([text]), Timestamp::UNIX_EPOCH, &TimeZone::UTC).unwrap_err();
        assert_eq!(
            error("{{ lastmonth }}"),
            "{{ lastmonth }} is none of time, date, yesterday, month, last_month, year, last_year"
        );
        assert!(error("{{ date").contains("missing") && error("{{}}").contains("none of"));
    }
}
