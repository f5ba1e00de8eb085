//! `bellwire jobs`: lists, shows, retries and drops the jobs that were given up.

use std::{collections::BTreeSet, fmt::Write};

use anyhow::{anyhow, bail};
use backplane::{DeadJob, DeadJobs, Depth, JobQueues, SendError, dead::InvalidJob};
use jiff::Timestamp;
use model::{Environment, Kind};
use process::Settings;
use serde_json::{Value, json};
use storage::{Storage, StorageConfig};
use tokio::time::{Duration, timeout};

use crate::{
    environment::{self, Target},
    terminal::{print, sanitize},
};

/// The built-in kinds, searched when none is named.
const KINDS: [&str; 3] = ["imports", "reports", "workflows"];
/// The time that the storage may take to say which kinds there are.
const STORAGE_TIMEOUT: Duration = Duration::from_secs(5);
/// Most characters of a reason in a list; `show` has all of it.
const MAX_REASON_CHARS: usize = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Of which kind of function; may be repeated. Without it: imports, reports, workflows, and where the settings have
    /// `[storage]` every kind whose worker has ever started
    #[arg(long, value_name = "KIND", global = true)]
    kind: Vec<Kind>,

    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the jobs that were given up, the longest dead first, and how many wait
    List {
        /// At most so many of each kind
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: usize,
        /// Leave out so many of each kind first
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        skip: usize,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one of them with its input
    Show {
        /// Its id, as `list` shows it
        id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Put them back into their queue, as if they had never been tried
    Retry {
        /// Their ids, as `list` shows them
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// All that are dead now
        #[arg(long)]
        all: bool,
    },
    /// Forget them for good
    Drop {
        /// Their ids, as `list` shows them
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
}

/// A kind that has a queue.
struct Queue {
    kind: Kind,
    depth: Depth,
    dead: Box<dyn DeadJobs>,
}

/// Runs the action and prints its result.
pub(crate) async fn run(settings: Settings, flags: Flags) -> anyhow::Result<()> {
    let environment = environment::select(&settings, flags.target.environment.as_ref())?;
    let backplane = environment::backplane(&settings, &environment)?;
    let (kinds, is_named) = match flags.kind.is_empty() {
        true => (known_kinds(&settings, &environment).await?, false),
        false => (flags.kind.into_iter().collect(), true),
    };
    let queues = queues(backplane.jobs.as_ref(), &environment, kinds, is_named).await?;
    match flags.action {
        Action::List { limit, skip, json } => list(&queues, skip, limit, json).await,
        Action::Show { id, json } => show(&queues, &environment, &id, json).await,
        Action::Retry { all: true, .. } => retry_all(&queues).await,
        Action::Retry { ids, .. } => settle(&queues, &environment, &ids, true).await,
        Action::Drop { ids } => settle(&queues, &environment, &ids, false).await,
    }
}

/// The built-in kinds, and those that the storage has a description of: a broker cannot be asked over AMQP which queues it has.
/// While the storage is away, which keeps no job from being looked at, the built-in ones alone.
async fn known_kinds(settings: &Settings, environment: &Environment) -> anyhow::Result<BTreeSet<Kind>> {
    let mut kinds = KINDS.iter().map(|kind| kind.parse()).collect::<Result<BTreeSet<_>, _>>()?;
    if settings.has("storage") {
        let storage = Storage::open(&settings.section::<StorageConfig>("storage")?)?;
        match timeout(STORAGE_TIMEOUT, storage.catalogue(environment).all()).await {
            Ok(Ok(entries)) => kinds.extend(entries.into_iter().map(|entry| entry.kind)),
            Ok(Err(error)) => {
                eprintln!("bellwire: only the built-in kinds are looked at, for the storage cannot be read: {error}")
            }
            Err(_) => eprintln!("bellwire: only the built-in kinds are looked at, for the storage does not answer"),
        }
    }
    Ok(kinds)
}

async fn queues(
    jobs: &dyn JobQueues,
    environment: &Environment,
    kinds: BTreeSet<Kind>,
    is_named: bool,
) -> anyhow::Result<Vec<Queue>> {
    let mut queues = Vec::new();
    for kind in &kinds {
        match jobs.depth(kind).await {
            Ok(depth) => queues.push(Queue { dead: jobs.dead(kind), kind: kind.clone(), depth }),
            Err(SendError::Unroutable(_)) if !is_named => {}
            Err(SendError::Refused(reason)) if !is_named => eprintln!("bellwire: {kind} is left out: {reason}"),
            Err(error) => return Err(explain(error)),
        }
    }
    if queues.is_empty() {
        let kinds: Vec<_> = kinds.iter().map(Kind::as_str).collect();
        bail!("{environment} has no queue for {}: name the kind with --kind", kinds.join(", "));
    }
    Ok(queues)
}

async fn list(queues: &[Queue], skip: usize, limit: usize, as_json: bool) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for Queue { kind, depth, dead } in queues {
        let jobs = dead.list(skip, limit).await.map_err(explain)?;
        if as_json {
            let Depth { waiting, retrying, dead } = depth;
            let jobs: Vec<_> = jobs.iter().map(to_json).collect();
            all.push(json!({ "kind": kind, "waiting": waiting, "retrying": retrying, "dead": dead, "jobs": jobs }));
        } else {
            print(&format!(
                "{kind}: {} waiting, {} to be retried, {} dead",
                depth.waiting, depth.retrying, depth.dead
            ))?;
            table(&jobs).iter().try_for_each(|line| print(line))?;
        }
    }
    if as_json {
        print(&serde_json::to_string_pretty(&all)?)?;
    }
    Ok(())
}

async fn show(queues: &[Queue], environment: &Environment, id: &str, as_json: bool) -> anyhow::Result<()> {
    for Queue { kind, dead, .. } in queues {
        let Some(found) = dead.find(id).await.map_err(explain)? else { continue };
        let text = match as_json {
            true => serde_json::to_string_pretty(&to_json(&found))?,
            false => details(kind, &found)?,
        };
        return Ok(print(&text)?);
    }
    Err(not_found(queues, environment, id))
}

async fn retry_all(queues: &[Queue]) -> anyhow::Result<()> {
    for Queue { kind, dead, .. } in queues {
        let retried = dead.retry_all().await.map_err(explain)?;
        let skipped = match retried.skipped {
            0 => String::new(),
            skipped => format!("; {skipped} stayed, which are no jobs and can only be dropped"),
        };
        print(&format!("{kind}: {} back in their queue{skipped}", retried.jobs))?;
    }
    Ok(())
}

/// Retries or drops each of the jobs.
async fn settle(queues: &[Queue], environment: &Environment, ids: &[String], retry: bool) -> anyhow::Result<()> {
    'ids: for id in ids {
        for Queue { kind, dead, .. } in queues {
            let (found, text) = match retry {
                true => (dead.retry(id).await, format!("{id} is back in the queue of {kind}")),
                false => (dead.discard(id).await, format!("{id} of {kind} is dropped")),
            };
            if found.map_err(explain)? {
                print(&text)?;
                continue 'ids;
            }
        }
        return Err(not_found(queues, environment, id));
    }
    Ok(())
}

fn not_found(queues: &[Queue], environment: &Environment, id: &str) -> anyhow::Error {
    let kinds: Vec<_> = queues.iter().map(|queue| queue.kind.as_str()).collect();
    anyhow!("there is no dead job {id} among the {} of {environment}; `bellwire jobs list` shows all", kinds.join(", "))
}

fn explain(error: SendError) -> anyhow::Error {
    match error {
        // Nothing was sent yet, so its text about sending would mislead.
        SendError::Unroutable(reason) => anyhow!(reason),
        other => other.into(),
    }
}

/// A line for each, under a line that names the columns; nothing for none.
fn table(jobs: &[DeadJob]) -> Vec<String> {
    if jobs.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![["ID", "SINCE", "ATTEMPTS", "OWNER", "TITLE", "REASON"].map(str::to_owned)];
    rows.extend(jobs.iter().map(|dead| {
        let (owner, title) = match &dead.job {
            Ok(job) => (job.owner.clone(), job.title.clone()),
            Err(InvalidJob { bytes, .. }) => ("-".to_owned(), format!("{} bytes that are no job", bytes.len())),
        };
        let reason = shortened(&dead.reason);
        [dead.id.clone(), format_time(dead.since), dead.attempts.to_string(), owner, title, reason]
            .map(|text| sanitize(&text))
    }));
    let widths: Vec<_> =
        (0..rows[0].len()).map(|column| rows.iter().map(|row| row[column].chars().count()).max()).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:0$}", width.unwrap_or(0)));
        format!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// All that is known of a job, a line for each field.
fn details(kind: &Kind, dead: &DeadJob) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| writeln!(text, "{name:9} {}", sanitize(value));
    field("id", &dead.id)?;
    field("kind", kind.as_str())?;
    field("since", &format_time(dead.since))?;
    field("attempts", &dead.attempts.to_string())?;
    field("reason", &dead.reason)?;
    match &dead.job {
        Ok(job) => {
            field("owner", &job.owner)?;
            field("title", &job.title)?;
            field("created", &format_time(Some(job.created)))?;
            match &job.stored_input {
                Some(key) => field("input", &format!("stored as {key}"))?,
                None => field("input", &job.input.to_string())?,
            }
        }
        Err(InvalidJob { reason, bytes }) => {
            field("no job", reason)?;
            field("bytes", &String::from_utf8_lossy(bytes))?;
        }
    }
    Ok(text.trim_end().to_owned())
}

fn to_json(dead: &DeadJob) -> Value {
    let mut value = json!({
        "id": dead.id, "since": dead.since.map(|since| since.to_string()), "attempts": dead.attempts, "reason": dead.reason,
    });
    match &dead.job {
        Ok(job) => value["job"] = json!(job),
        Err(InvalidJob { reason, bytes }) => {
            value["no_job"] = json!({ "why": reason, "bytes": String::from_utf8_lossy(bytes) })
        }
    }
    value
}

fn format_time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.strftime("%F %TZ").to_string())
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_REASON_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
