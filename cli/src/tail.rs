//! `bellwire tail`: what is said in an environment, line by line.

use std::time::{Duration, Instant};

use anyhow::bail;
use backplane::{Destination, LogEntry, LogItem, LogReader, ReadFrom};
use jiff::Timestamp;
use model::{Environment, Event};
use process::{Options, Settings};

use crate::{
    chosen,
    short::{complain, plain, say},
};

/// How long a block takes to be read at most.
const BURST: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) options: Options,

    /// In which environment; may be left out where the settings hold one
    #[arg(long, value_name = "NAME")]
    environment: Option<Environment>,

    /// How far back to begin, as in 10m, 1h, 7d; from now on without it
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "0s", hide_default_value = true)]
    since: Duration,

    /// Each event as a line of JSON, stamped as browsers get it
    #[arg(long)]
    json: bool,
}

/// Follows until Ctrl-C, or until nobody reads the lines any more.
pub(crate) async fn follow(settings: Settings, flags: Flags) -> anyhow::Result<()> {
    let environment = chosen::environment(&settings, flags.environment.as_ref())?;
    let backplane = chosen::backplane(&settings, &environment)?;
    let mut beginning = Beginning { since: Timestamp::now() - flags.since, first: None };
    let mut reader = backplane.log.read(ReadFrom::Time(beginning.since));
    let mut was_up = None;
    loop {
        tokio::select! {
            item = reader.items.recv() => match item {
                Some(LogItem::Entry(entry)) if beginning.is_before(&entry) => {}
                Some(LogItem::Entry(entry)) => show(&entry, &environment, flags.json)?,
                Some(LogItem::Gap(gap)) => complain(&format!("some events were not read ({gap:?})")),
                None => bail!("the reader of the log has ended"),
            },
            Ok(()) = reader.link.changed() => tell_link(&mut reader, &mut was_up),
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        }
    }
}

/// The log is read from a block that holds the moment asked for, so what was said before it comes first, in a burst.
struct Beginning {
    since: Timestamp,
    first: Option<Instant>,
}

impl Beginning {
    /// Whether an entry is of that burst; later, an old time is a late word and is shown.
    fn is_before(&mut self, entry: &LogEntry) -> bool {
        let first = *self.first.get_or_insert_with(Instant::now);
        let time = entry.event.as_ref().ok().and_then(|event| event.time);
        first.elapsed() < BURST && time.is_some_and(|time| time < self.since)
    }
}

fn tell_link(reader: &mut LogReader, was_up: &mut Option<bool>) {
    let link = reader.link.borrow_and_update().clone();
    let now = Some(link.is_up());
    match link {
        backplane::Link::Down(why) if *was_up != now => complain(&format!("the broker is away: {why}")),
        backplane::Link::Up if *was_up == Some(false) => complain("the broker is back"),
        _ => {}
    }
    *was_up = now;
}

fn show(entry: &LogEntry, environment: &Environment, json: bool) -> anyhow::Result<()> {
    let event = match &entry.event {
        Ok(event) => event,
        Err(why) => {
            complain(&plain(&format!("the entry at {} is for nobody: {why}", entry.cursor.offset)));
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
    Ok(say(&line)?)
}

/// Time, place, audience, what happened, and the words in it.
fn line(event: &Event, origin: Destination, environment: &Environment) -> String {
    let time = event.time.map_or_else(|| "-".to_owned(), |time| time.strftime("%F %TZ").to_string());
    let place = match origin {
        Destination::Own => environment.as_str(),
        Destination::Everywhere => "everywhere",
    };
    let what = event.event_type.strip_prefix("bellwire.").unwrap_or(&event.event_type);
    let mut line = format!("{time}  {place}  {}  {what}", event.audience);
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
    plain(&line)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Audience, Cursor, Toast, toast::Level};

    use super::*;

    #[test]
    fn what_was_said_before_is_left_out_at_the_beginning_and_shown_when_it_comes_late() {
        let event = Event::message("/x", Audience::user("ada"), &Toast::new(Level::Info, "Hello"));
        let entry = LogEntry { cursor: Cursor::of(1, b""), origin: Destination::Own, event: Ok(Arc::new(event)) };
        let since = Timestamp::now() + Duration::from_secs(60);
        assert!(Beginning { since, first: None }.is_before(&entry));
        assert!(!Beginning { since, first: Instant::now().checked_sub(BURST) }.is_before(&entry));
        assert!(!Beginning { since: Timestamp::UNIX_EPOCH, first: None }.is_before(&entry));
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
