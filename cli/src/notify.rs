//! `bellwire notify`: publishes a message to people over the broker, and ends when it is confirmed.

use anyhow::Context;
use backplane::Destination;
use model::{
    Audience, Event, Term, Toast,
    toast::{Action, Level},
};
use process::Settings;

use crate::{
    environment::{self, Target},
    terminal::print,
};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("to").required(true).multiple(true).args(["user", "group", "all", "everywhere"]))]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) target: Target,

    /// To a person; may be repeated
    #[arg(long, value_name = "ID")]
    user: Vec<String>,

    /// To a group; may be repeated
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,

    /// To everyone in the environment
    #[arg(long, conflicts_with_all = ["user", "group"])]
    all: bool,

    /// In every environment, which is an operator's right; to everyone there unless --user or --group narrows it
    #[arg(long)]
    everywhere: bool,

    /// The one line that people read
    title: String,

    /// A longer text
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,

    /// Its level: info, success, warning or error
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level)]
    level: Level,

    /// A link: an http(s) address, or a path of the page's own origin
    #[arg(long, value_name = "ADDRESS")]
    link: Option<String>,

    /// The link's text
    #[arg(long, value_name = "TEXT", default_value = "Open", requires = "link")]
    label: String,
}

/// Publishes the message and prints its id.
pub(crate) async fn send(settings: Settings, flags: Flags) -> anyhow::Result<()> {
    let flag = flags.target.environment.as_ref();
    let (environment, destination) = match flags.everywhere {
        true => (environment::select_any(&settings, flag)?, Destination::Everywhere),
        false => (environment::select(&settings, flag)?, Destination::Own),
    };
    let audience = audience(&flags.user, &flags.group)?;
    let action = flags.link.map(|href| Action { label: flags.label, href });
    let toast = Toast { level: flags.level, title: flags.title, body: flags.body, action, decision: None };
    let event = Event::message("/bellwire/notify", audience, &toast);
    let encoded = event.encode()?;
    let backplane = environment::backplane(&settings, &environment)?;
    backplane.log.publish_encoded(destination, &encoded).await.context("nobody was told")?;
    let scope = if flags.everywhere { "every environment" } else { environment.as_str() };
    let recipients = match event.audience.terms() {
        [Term::Environment] => "everyone".to_owned(),
        _ => event.audience.to_string(),
    };
    print(&format!("told {recipients} in {scope}: {}", event.id))?;
    Ok(())
}

fn audience(users: &[String], groups: &[String]) -> anyhow::Result<Audience> {
    let users = users.iter().map(|id| format!("user:{id}"));
    let terms: Vec<_> = users.chain(groups.iter().map(|name| format!("group:{name}"))).collect();
    // Otherwise `--user "a user:b"` would be two.
    if let Some(term) = terms.iter().find(|term| term.contains(char::is_whitespace)) {
        anyhow::bail!("audience: {term:?} has white space in it; repeat the flag for each");
    }
    match terms.is_empty() {
        true => Ok("environment".parse()?),
        false => Ok(terms.join(" ").parse()?),
    }
}

fn level(text: &str) -> Result<Level, String> {
    serde_json::from_value(text.into()).map_err(|_| "it is one of info, success, warning, error".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_is_whom_the_flags_name_and_everyone_when_they_name_nobody() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let some = audience(&words(&["ada", "bob"]), &words(&["ops"])).unwrap();
        assert_eq!(some.to_string(), "user:ada user:bob group:ops");
        assert_eq!(audience(&[], &[]).unwrap().to_string(), "environment");
        for bad in ["ada user:eve", "ada environment", ""] {
            assert!(audience(&words(&[bad]), &[]).is_err(), "{bad:?}");
        }
    }
}
