//! Durations and sizes in settings: `15s`, `24h`, `64MiB`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

/// For `#[serde(deserialize_with = "process::quantity::duration")]`: `250ms`, `15s`, `5m`, `24h`, `7d`.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Reads such a duration; an error says how it is written.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| format!("{text:?} is no duration; write it like 250ms, 15s, 5m or 24h"))
}

/// For `#[serde(deserialize_with = "process::quantity::bytes")]`: `512`, `64KiB`, `10MB`, `2GiB`.
pub fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_bytes(&text)
        .ok_or_else(|| D::Error::custom(format!("{text:?} is no size; write it like 512, 64KiB, 10MB or 2GiB")))
}

fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KB" | "kB" => 1000,
        "MB" => 1000 * 1000,
        "GB" => 1000 * 1000 * 1000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_whole_number_with_a_unit() {
        for (text, bytes) in
            [("512", 512), ("64KiB", 65_536), ("10 MB", 10_000_000), ("3MiB", 3 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for bad in ["", "MiB", "-1", "1.5GiB", "1TB", "99999999999GiB", "1 MiB x"] {
            assert_eq!(parse_bytes(bad), None, "{bad}");
        }
    }
}
