//! `bellwire tail`: prints the events of an environment, line by line.

use std::time::{Duration, Instant};

use anyhow::bail;
use backplane::{Destination, LogEntry, LogItem, LogReader, ReadFrom};
use jiff::Timestamp;
use model::{Environment, Event};
use process::Settings;

use crate::{
    environment::{self, Target},
    terminal::{print, print_error, sanitize},
};

/// Limit for reading one block of the log.
const BURST: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Start this long ago, as in 10m, 1h, 7d; from now on without it
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "0s", hide_default_value = true)]
    since: Duration,

    /// Each event as a line of JSON, stamped as browsers get it
    #[arg(long)]
    json: bool,
}

/// Follows until Ctrl-C, or until standard output is closed.
pub(crate) async fn follow(settings: Settings, flags: Flags) -> anyhow::Result<()> {
    let environment = environment::select(&settings, flags.target.environment.as_ref())?;
    let backplane = environment::backplane(&settings, &environment)?;
    let mut start = Start { since: Timestamp::now() - flags.since, first: None };
    let mut reader = backplane.log.read(ReadFrom::Time(start.since));
    let mut was_up = None;
    loop {
        tokio::select! {
            item = reader.items.recv() => match item {
                Some(LogItem::Entry(entry)) if start.is_before(&entry) => {}
                Some(LogItem::Entry(entry)) => show(&entry, &environment, flags.json)?,
                Some(LogItem::Gap(gap)) => print_error(&format!("some events were not read ({gap:?})")),
                None => bail!("the reader of the log has ended"),
            },
            Ok(()) = reader.link.changed() => report_link(&mut reader, &mut was_up),
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        }
    }
}

/// Recognises earlier events: reading starts at the block that holds the moment asked for, so they come first, in a burst.
struct Start {
    since: Timestamp,
    first: Option<Instant>,
}

impl Start {
    /// True if an entry is of that burst; later, an event with an old time is a late one and is shown.
    fn is_before(&mut self, entry: &LogEntry) -> bool {
        let first = *self.first.get_or_insert_with(Instant::now);
        let time = entry.event.as_ref().ok().and_then(|event| event.time);
        first.elapsed() < BURST && time.is_some_and(|time| time < self.since)
    }
}

fn report_link(reader: &mut LogReader, was_up: &mut Option<bool>) {
    let link = reader.link.borrow_and_update().clone();
    let now = Some(link.is_up());
    match link {
        backplane::Link::Down(reason) if *was_up != now => print_error(&format!("the broker is away: {reason}")),
        backplane::Link::Up if *was_up == Some(false) => print_error("the broker is back"),
        _ => {}
    }
    *was_up = now;
}

fn show(entry: &LogEntry, environment: &Environment, json: bool) -> anyhow::Result<()> {
    let event = match &entry.event {
        Ok(event) => event,
        Err(reason) => {
            print_error(&sanitize(&format!("the entry at {} is for nobody: {reason}", entry.cursor.offset)));
            return Ok(());
        }
    };
    if event.is_pulse() {
        return Ok(());
    }
    let line = match json {
        true => serde_json::to_string(&Event {
            environment: Some(environment.to_string()),
            cursor: Some(entry.cursor.to_string()),
            ..Event::clone(event)
        })?,
        false => line(event, entry.origin, environment),
    };
    Ok(print(&line)?)
}

/// Time, environment, audience, type, and the texts of the task and the toast.
fn line(event: &Event, origin: Destination, environment: &Environment) -> String {
    let time = event.time.map_or_else(|| "-".to_owned(), |time| time.strftime("%F %TZ").to_string());
    let scope = match origin {
        Destination::Own | Destination::Publishers => environment.as_str(),
        Destination::Everywhere => "everywhere",
    };
    let kind = event.event_type.strip_prefix("bellwire.").unwrap_or(&event.event_type);
    let mut line = format!("{time}  {scope}  {}  {kind}", event.audience);
    // Checked when it was read.
    if let Ok(Some(task)) = event.task() {
        line += &format!("  {} {:?} {:.0} %", task.kind, task.title, task.progress * 100.0);
        if let Some(error) = task.error {
            line += &format!(" ({}: {})", error.reason, error.message);
        }
    }
    if let Ok(Some(toast)) = event.toast() {
        line += &format!("  {}: {}", format!("{:?}", toast.level).to_lowercase(), toast.title);
        if let Some(body) = toast.body {
            line += &format!(" | {body}");
        }
        if let Some(action) = toast.action {
            line += &format!(" -> {}", action.href);
        }
    }
    sanitize(&line)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Audience, Cursor, Toast, toast::Level};

    use super::*;

    #[test]
    fn what_was_said_before_is_left_out_at_the_start_and_shown_when_it_comes_late() {
        let event = Event::message("/x", Audience::user("ada"), &Toast::new(Level::Info, "Hello"));
        let entry = LogEntry {
            cursor: Cursor::of(1, b""),
            origin: Destination::Own,
            event: Ok(Arc::new(event)),
            dropped: None,
        };
        let since = Timestamp::now() + Duration::from_secs(60);
        assert!(Start { since, first: None }.is_before(&entry));
        assert!(!Start { since, first: Instant::now().checked_sub(BURST) }.is_before(&entry));
        assert!(!Start { since: Timestamp::UNIX_EPOCH, first: None }.is_before(&entry));
    }

    #[test]
    fn a_line_holds_the_words_and_no_command_to_the_terminal() {
        let toast = Toast { body: Some("a\nb".to_owned()), ..Toast::new(Level::Warning, "\u{1b}[2JGone") };
        let event = Event { time: Some(Timestamp::UNIX_EPOCH), ..Event::message("/x", Audience::user("ada"), &toast) };
        let line = line(&event, Destination::Everywhere, &"prod".parse().unwrap());
        let words = "1970-01-01 00:00:00Z  everywhere  user:ada  message  warning: \u{fffd}[2JGone | a\u{fffd}b";
        assert_eq!(line, words);
    }
}
