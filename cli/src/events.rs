//! `bellwire events dropped`: shows the entries of the log that are for nobody, and why.
//!
//! The log itself is where they are kept: every pod reads it and drops the same entries for the same reasons, so that no pod
//! has to lay them aside for all. They stay for as long as events do, in order, with their bytes.

use std::time::Duration;

use anyhow::bail;
use backplane::{Backplane, LogEntry, LogItem, ReadFrom};
use data_encoding::BASE64;
use jiff::Timestamp;
use process::Settings;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::{
    environment::{self, Target},
    terminal::{print, print_error, sanitize},
};

/// Limit for the first entry to come.
const FIRST_ENTRY: Duration = Duration::from_secs(20);
/// Silence after which nothing more is waited for.
const SILENCE: Duration = Duration::from_secs(2);
/// Limit for the entries that are written while the log is read to its end.
const AFTER_END: Duration = Duration::from_secs(5);
/// Most characters of a message's bytes in a list; `--json` has all of them.
const MAX_BODY_CHARS: usize = 200;

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) target: Target,

    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List what was published and is for nobody, the oldest first, with the reason
    Dropped {
        /// From this long ago on, as in 10m, 1h, 7d
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "1d")]
        since: Duration,
        /// At most so many, the newest
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: usize,
        /// Each as a line of JSON, with all of its bytes
        #[arg(long)]
        json: bool,
    },
}

/// Reads the log to its end and prints what is dropped of it.
pub(crate) async fn run(settings: Settings, flags: Flags) -> anyhow::Result<()> {
    let environment = environment::select(&settings, flags.target.environment.as_ref())?;
    let backplane = environment::backplane(&settings, &environment)?;
    let Action::Dropped { since, limit, json } = flags.action;
    let (dropped, left_out) = dropped(&backplane, Timestamp::now() - since, limit).await?;
    for entry in &dropped {
        print(&if json { to_json(entry).to_string() } else { line(entry) })?;
    }
    if left_out > 0 {
        print_error(&format!("{left_out} older ones are left out; --limit shows more"));
    }
    Ok(())
}

/// The newest entries that are dropped, and the number of older ones.
async fn dropped(backplane: &Backplane, since: Timestamp, limit: usize) -> anyhow::Result<(Vec<LogEntry>, usize)> {
    let mut found = std::collections::VecDeque::new();
    let mut left_out = 0;
    let Some(end) = backplane.log.near_end().await? else { return Ok((Vec::new(), 0)) };
    let mut reader = backplane.log.read(ReadFrom::Time(since));
    let mut deadline = Instant::now() + FIRST_ENTRY;
    let mut last = None;
    loop {
        let entry =
            match timeout_at(last.map_or(deadline, |last: Instant| last.min(deadline)), reader.items.recv()).await {
                Ok(Some(LogItem::Entry(entry))) => entry,
                Ok(Some(LogItem::Gap(gap))) => {
                    print_error(&format!("some entries were not read ({gap:?})"));
                    continue;
                }
                Ok(None) => bail!("the reader of the log has ended"),
                // Silence: what there is, is read.
                Err(_) => break,
            };
        deadline = Instant::now() + SILENCE;
        if entry.cursor.offset >= end {
            last.get_or_insert(Instant::now() + AFTER_END);
        }
        if entry.event.is_err() {
            found.push_back(entry);
            if found.len() > limit {
                found.pop_front();
                left_out += 1;
            }
        }
    }
    Ok((found.into(), left_out))
}

/// Position, exchange, user, reason and the first of the bytes.
fn line(entry: &LogEntry) -> String {
    let (Err(reason), Some(message)) = (&entry.event, &entry.dropped) else { return String::new() };
    let body = String::from_utf8_lossy(&message.body);
    let shown: String = body.chars().take(MAX_BODY_CHARS).collect();
    let more = if shown.len() < body.len() { "…" } else { "" };
    let exchange = if message.exchange.is_empty() { "the default exchange" } else { &message.exchange };
    let user = message.user.as_deref().map(|user| format!("  from {user}")).unwrap_or_default();
    sanitize(&format!("{}  {exchange}{user}  {reason}  |  {shown}{more}", entry.cursor.offset))
}

fn to_json(entry: &LogEntry) -> Value {
    let reason = entry.event.as_ref().err().map(ToString::to_string);
    let Some(message) = &entry.dropped else { return json!({ "offset": entry.cursor.offset, "reason": reason }) };
    let mut value = json!({
        "offset": entry.cursor.offset, "reason": reason, "exchange": message.exchange, "user": message.user,
        "content_type": message.content_type, "content_encoding": message.content_encoding,
    });
    match std::str::from_utf8(&message.body) {
        Ok(text) => value["body"] = text.into(),
        Err(_) => value["body_base64"] = BASE64.encode(&message.body).into(),
    }
    value
}

#[cfg(test)]
mod tests {
    use backplane::{Destination, memory};
    use model::{Audience, Event};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_newest_of_what_is_for_nobody_are_shown_with_the_reason() {
        let open = || memory::Broker::new().environment(&"prod".parse().unwrap());
        let backplane = open();
        for n in 0..3 {
            let event = Event::new(&format!("/x/{n}"), "bellwire.new", Audience::user("ada"));
            backplane.log.publish(Destination::Publishers, &event).await.unwrap();
            backplane
                .log
                .publish(Destination::Publishers, &Event::new("/x", "fine", Audience::user("ada")))
                .await
                .unwrap();
        }
        let (entries, left_out) = dropped(&backplane, Timestamp::UNIX_EPOCH, 2).await.unwrap();
        assert_eq!((entries.len(), left_out), (2, 1));
        let line = line(&entries[1]);
        assert!(line.contains("its type is \"bellwire.new\"") && line.contains("/x/2"), "{line}");
        let value = to_json(&entries[0]);
        assert!(value["body"].as_str().unwrap().contains("\"/x/1\""), "{value}");
        assert!(dropped(&open(), Timestamp::UNIX_EPOCH, 9).await.unwrap().0.is_empty());
    }
}
