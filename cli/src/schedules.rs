//! `bellwire schedules`: lists what starts by itself, pauses it, and starts it now; over a gateway's API.

use std::time::Duration;

use anyhow::{Context, bail};
use gateway::{Claims, Key};
use jiff::Timestamp;
use model::Environment;
use process::{Environments, ExposeSecret, Settings};
use reqwest::{Client, Method, Url};
use serde_json::Value;

use crate::{
    environment::Target,
    terminal::{print, sanitize},
};

/// The time that an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The lifetime of a token of one command, in seconds.
const TOKEN_LIFETIME: i64 = 300;

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) target: Target,

    /// The address of a gateway
    #[arg(long, value_name = "URL", global = true, default_value = "http://localhost:8080")]
    gateway: Url,

    /// A token with the scope `operate`, or `tasks` for one's own. Without it one is signed with the environment's secret
    #[arg(long, value_name = "TOKEN", global = true, env = "TOKEN", hide_env_values = true)]
    token: Option<String>,

    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List them, with their next and their last start
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Start nothing by itself until it is resumed
    Pause {
        /// Its kind and name, as `list` shows them
        #[arg(value_name = "KIND/NAME", value_parser = id)]
        id: (String, String),
    },
    /// Go on after a pause
    Resume {
        /// Its kind and name, as `list` shows them
        #[arg(value_name = "KIND/NAME", value_parser = id)]
        id: (String, String),
    },
    /// Start it now, and print the id of its task
    Run {
        /// Its kind and name, as `list` shows them
        #[arg(value_name = "KIND/NAME", value_parser = id)]
        id: (String, String),
    },
}

fn id(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('/').filter(|(kind, name)| !kind.is_empty() && !name.is_empty() && !name.contains('/'));
    let parts = parts.ok_or("it is a kind and a name, as in reports/sales.monthly")?;
    Ok((parts.0.to_owned(), parts.1.to_owned()))
}

/// Runs the action and prints its result.
pub(crate) async fn run(settings: Settings, flags: Flags) -> anyhow::Result<()> {
    let token = match flags.token {
        Some(token) => token,
        None => sign(&settings, flags.target.environment.as_ref())?,
    };
    // Only the first of a process is kept.
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = Client::builder().timeout(TIMEOUT).build().context("TLS cannot be set up")?;
    let api = Api { client, gateway: flags.gateway, token };
    match flags.action {
        Action::List { json } => list(&api.request(Method::GET, &[]).await?, json),
        Action::Pause { id: (kind, name) } => {
            api.request(Method::POST, &[&kind, &name, "pause"]).await?;
            Ok(print(&format!("{kind}/{name} is paused"))?)
        }
        Action::Resume { id: (kind, name) } => {
            let schedule = api.request(Method::POST, &[&kind, &name, "resume"]).await?;
            Ok(print(&format!("{kind}/{name} goes on at {}", time(&schedule["next"])))?)
        }
        Action::Run { id: (kind, name) } => {
            let run = api.request(Method::POST, &[&kind, &name, "run"]).await?;
            Ok(print(&text(&run["task"]))?)
        }
    }
}

/// A token of an operator.
fn sign(settings: &Settings, flag: Option<&Environment>) -> anyhow::Result<String> {
    let environments =
        Environments::read(settings).context("no token: say --token, or in the settings the environment")?;
    let environment = environments.select(flag)?;
    let secret = environments.key(settings, &environment.name)?;
    let now = Timestamp::now().as_second();
    let claims = Claims {
        sub: "bellwire-schedules".to_owned(),
        env: environment.name.to_string(),
        groups: Vec::new(),
        scope: "operate".to_owned(),
        exp: now + TOKEN_LIFETIME,
        iat: Some(now),
        iss: environment.issuer.clone(),
        aud: environment.audience.clone(),
    };
    let key = Key::hs256(secret.expose_secret(), None, None).reading(environment.claims.clone(), environment.leeway);
    Ok(key.sign(&claims)?)
}

/// The API of a gateway.
struct Api {
    client: Client,
    gateway: Url,
    token: String,
}

impl Api {
    /// The answer to a request; a problem is an error in its own words.
    async fn request(&self, method: Method, path: &[&str]) -> anyhow::Result<Value> {
        let mut url = self.gateway.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().extend(["api", "schedules"]).extend(path)),
            Err(()) => bail!("--gateway: {} is no address of a gateway", self.gateway),
        }
        let request = self.client.request(method, url).bearer_auth(&self.token);
        let response = request.send().await.with_context(|| format!("{} does not answer", self.gateway))?;
        let status = response.status();
        let body = response.text().await.with_context(|| format!("{} broke off", self.gateway))?;
        let json: Value = serde_json::from_str(&body).unwrap_or_default();
        if !status.is_success() {
            let detail = json["detail"].as_str().unwrap_or("it is no gateway of this version");
            bail!("{} answers {}: {}", self.gateway, status.as_u16(), sanitize(detail));
        }
        Ok(json)
    }
}

fn list(answer: &Value, as_json: bool) -> anyhow::Result<()> {
    let schedules = answer["schedules"].as_array().cloned().unwrap_or_default();
    if as_json {
        return Ok(print(&serde_json::to_string_pretty(&schedules)?)?);
    }
    let mut rows = vec![["SCHEDULE", "OWNER", "WHEN", "NEXT", "LAST", "NOTE"].map(str::to_owned)];
    rows.extend(schedules.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        print(cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn row(schedule: &Value) -> [String; 6] {
    let when = match (schedule["cron"].as_str(), schedule["every"].as_u64()) {
        (Some(cron), _) => format!("{cron} {}", text(&schedule["time_zone"])),
        (None, every) => {
            format!("every {}", humantime::format_duration(Duration::from_secs(every.unwrap_or_default())))
        }
    };
    let note = match (&schedule["problem"], &schedule["paused"], &schedule["left_out"]) {
        (Value::String(problem), ..) => problem.clone(),
        (_, Value::Object(pause), _) => format!("paused by {}", text(&pause["by"])),
        (.., Value::Object(left_out)) => format!("{} left out: {}", time(&left_out["time"]), text(&left_out["reason"])),
        _ => String::new(),
    };
    let name = format!("{}/{}", text(&schedule["kind"]), text(&schedule["name"]));
    let (next, last) = (time(&schedule["next"]), time(&schedule["last"]["started"]));
    [name, text(&schedule["owner"]), when, next, last, note].map(|cell| sanitize(&cell))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

fn time(value: &Value) -> String {
    let time = value.as_str().and_then(|time| time.parse::<Timestamp>().ok());
    time.map_or_else(|| "-".to_owned(), |time| time.strftime("%F %TZ").to_string())
}
