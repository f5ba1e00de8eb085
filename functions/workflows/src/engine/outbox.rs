//! Messages to be sent: written in the transaction that decides on them, removed once the broker has confirmed them.

use std::time::Duration;

use model::{Environment, Event, Job, TaskId};
use runtime::{
    DatabaseError,
    database::{Dialect, Transaction, Value as Sql},
};
use serde::{Deserialize, Serialize};
use tracing::error;

use super::store;
use crate::run::messages::RunFile;

/// The time that a process has to send what it has claimed, before another sends it as well; in milliseconds.
const CLAIM_DURATION: i64 = 30_000;
/// The time from before a claim to when what is not sent yet is given up for now: well before the claim ends.
pub(crate) const SEND_TIMEOUT: Duration = Duration::from_secs(20);
/// The pause after a message could not be read, in milliseconds.
const UNREADABLE_PAUSE: i64 = 600_000;
/// The most messages that are claimed at once.
pub(crate) const CLAIM_BATCH: i64 = 32;

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Message {
    Job(Box<Job>),
    Event(Box<Event>),
    /// The end of a run, told once what belongs to it is stored.
    End(Box<EndOfRun>),
    /// What a run has said, to be stored as it is when this is sent.
    Log(TaskId),
}

/// The end of a run, and what is stored before it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndOfRun {
    pub(crate) event: Event,
    pub(crate) run: TaskId,
    pub(crate) owner: String,
    /// Those that its steps have made.
    pub(crate) files: Vec<RunFile>,
}

/// Where a message goes; what waits for the storage holds up nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the broker.
    Broker,
    /// Through the storage.
    Storage,
}

impl Way {
    /// The condition on a message, with its values from `$2` on.
    fn condition(self, environment: &Environment) -> (&'static str, Vec<Sql>) {
        let own = environment.as_str().into();
        match self {
            Self::Broker => ("environment = $2 AND id NOT LIKE '%.end'", vec![own]),
            Self::Storage => {
                ("((environment = $2 AND id LIKE '%.end') OR environment = $3)", vec![own, logs_of(environment).into()])
            }
        }
    }
}

/// A message that this process has claimed.
#[derive(Debug, Clone)]
pub(crate) struct ClaimedMessage {
    pub(crate) id: String,
    /// A newer version may be written meanwhile.
    version: i64,
    pub(crate) message: Message,
}

/// Writes a message; one that waits under the same id is replaced.
pub(crate) fn put(
    transaction: &mut dyn Transaction,
    environment: &Environment,
    id: &str,
    message: &Message,
    now: i64,
) -> Result<(), DatabaseError> {
    let sql = "INSERT INTO bellwire_workflow_outbox (id, environment, version, due, body) VALUES ($1, $2, 1, $3, $4) \
               ON CONFLICT (id) DO UPDATE SET body = excluded.body, due = excluded.due, \
               version = bellwire_workflow_outbox.version + 1";
    let values = [id.into(), environment.as_str().into(), now.into(), store::to_json(message)?];
    transaction.execute(sql, &values).map(drop)
}

/// Writes the state of a run.
pub(crate) fn put_state(
    transaction: &mut dyn Transaction,
    environment: &Environment,
    run: TaskId,
    event: Event,
    now: i64,
) -> Result<(), DatabaseError> {
    put(transaction, environment, &format!("{run}.told"), &Message::Event(Box::new(event)), now)
}

/// Writes the end of a run, in place of a state that waits.
pub(crate) fn put_end(
    transaction: &mut dyn Transaction,
    environment: &Environment,
    end: EndOfRun,
    now: i64,
) -> Result<(), DatabaseError> {
    let sql = "DELETE FROM bellwire_workflow_outbox WHERE id = $1";
    transaction.execute(sql, &[format!("{}.told", end.run).into()])?;
    let id = format!("{}.end", end.run);
    put(transaction, environment, &id, &Message::End(Box::new(end)), now)
}

/// What the logs of an environment have in its place; no environment has a dot. Workers that ran before there were logs
/// claim whatever is of theirs, and one that they cannot read would keep all else back.
fn logs_of(environment: &Environment) -> String {
    format!("{environment}.log")
}

/// Has what a run has said stored at this time. While another process has claimed that, it keeps it: of two that write at
/// once, the older might come last.
pub(crate) fn put_log(
    transaction: &mut dyn Transaction,
    environment: &Environment,
    run: TaskId,
    due: i64,
) -> Result<(), DatabaseError> {
    let sql = "INSERT INTO bellwire_workflow_outbox (id, environment, version, due, body) VALUES ($1, $2, 1, $3, $4) \
               ON CONFLICT (id) DO UPDATE SET version = bellwire_workflow_outbox.version + 1, \
               due = CASE WHEN bellwire_workflow_outbox.due > excluded.due THEN bellwire_workflow_outbox.due \
               ELSE excluded.due END";
    let body = store::to_json(&Message::Log(run))?;
    let values = [format!("{run}.log").into(), logs_of(environment).into(), due.into(), body];
    transaction.execute(sql, &values).map(drop)
}

/// Claims some of the messages that are due and go this way, logs last; other processes leave them alone for a while. One
/// that cannot be read is left out.
pub(crate) fn claim(
    transaction: &mut dyn Transaction,
    environment: &Environment,
    way: Way,
    now: i64,
) -> Result<Vec<ClaimedMessage>, DatabaseError> {
    let skip_locked = match transaction.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => " FOR UPDATE SKIP LOCKED",
    };
    let (condition, more) = way.condition(environment);
    let sql = format!(
        "SELECT id, version, body FROM bellwire_workflow_outbox WHERE due <= $1 AND {condition} \
         ORDER BY environment, due, id LIMIT {CLAIM_BATCH}{skip_locked}"
    );
    let values: Vec<Sql> = std::iter::once(now.into()).chain(more).collect();
    let rows = transaction.query(&sql, &values)?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = row.text(0).unwrap_or_default().to_owned();
        match store::from_json(row.text(2)) {
            Ok(message) => {
                postpone(transaction, &id, now + CLAIM_DURATION)?;
                claimed.push(ClaimedMessage { id, version: row.integer(1).unwrap_or_default(), message });
            }
            Err(error) => {
                error!(id, %error, "a message of a workflow is left alone for a while");
                postpone(transaction, &id, now + UNREADABLE_PAUSE)?;
            }
        }
    }
    Ok(claimed)
}

/// Removes a message that was sent, unless a newer version has replaced it.
pub(crate) fn remove(transaction: &mut dyn Transaction, claimed: &ClaimedMessage) -> Result<(), DatabaseError> {
    let sql = "DELETE FROM bellwire_workflow_outbox WHERE id = $1 AND version = $2";
    transaction.execute(sql, &[claimed.id.as_str().into(), claimed.version.into()]).map(drop)
}

/// Postpones a message.
pub(crate) fn postpone(transaction: &mut dyn Transaction, id: &str, due: i64) -> Result<(), DatabaseError> {
    let sql = "UPDATE bellwire_workflow_outbox SET due = $1 WHERE id = $2";
    transaction.execute(sql, &[due.into(), id.into()]).map(drop)
}

#[cfg(test)]
mod tests {
    use runtime::{Database, database::DatabaseConfig};
    use tempfile::TempDir;

    use super::*;

    /// Works on an empty outbox.
    async fn with_outbox(work: impl FnOnce(&mut dyn Transaction) -> Result<(), DatabaseError> + Send + 'static) {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite://{}", folder.path().join("it.db").display());
        let database = Database::open(&DatabaseConfig { url }).unwrap();
        database.transaction_with(&store::TABLES, work).await.unwrap();
    }

    fn ids(claimed: &[ClaimedMessage]) -> Vec<&str> {
        claimed.iter().map(|claimed| claimed.id.as_str()).collect()
    }

    #[tokio::test]
    async fn ends_go_before_logs_however_long_those_wait_and_neither_with_the_rest() {
        with_outbox(|transaction| {
            let (ours, run): (Environment, _) = ("test".parse().unwrap(), TaskId::new());
            put_log(transaction, &ours, run, 1)?;
            put_log(transaction, &"test-2".parse().unwrap(), TaskId::new(), 1)?;
            for (id, due) in [("1.end", 3), ("2.end", 2), ("1.told", 3)] {
                put(transaction, &ours, id, &Message::Log(run), due)?;
            }
            assert_eq!(ids(&claim(transaction, &ours, Way::Broker, 5)?), ["1.told"]);
            assert_eq!(ids(&claim(transaction, &ours, Way::Storage, 5)?), ["2.end", "1.end", &format!("{run}.log")]);
            assert_eq!(ids(&claim(transaction, &ours, Way::Storage, 5)?), Vec::<&str>::new(), "they are claimed");
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_worker_that_knows_no_logs_does_not_come_upon_one() {
        with_outbox(|transaction| {
            let ours: Environment = "test".parse().unwrap();
            put_log(transaction, &ours, TaskId::new(), 1)?;
            let sql = "SELECT id FROM bellwire_workflow_outbox WHERE environment = $1 AND due <= $2";
            let values = [ours.as_str().into(), 9.into()];
            assert!(transaction.query(sql, &values)?.is_empty());
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_read_keeps_no_other_back() {
        with_outbox(|transaction| {
            let ours: Environment = "test".parse().unwrap();
            for id in ["a", "b"] {
                put(transaction, &ours, id, &Message::Log(TaskId::new()), 1)?;
            }
            let spoil = "UPDATE bellwire_workflow_outbox SET body = '{\"of a later version\":1}' WHERE id = 'a'";
            transaction.execute(spoil, &[])?;
            assert_eq!(ids(&claim(transaction, &ours, Way::Broker, 5)?), ["b"]);
            let sql = "SELECT due FROM bellwire_workflow_outbox ORDER BY id";
            let due: Vec<_> = transaction.query(sql, &[])?.iter().map(|row| row.integer(0)).collect();
            assert_eq!(due, [Some(5 + UNREADABLE_PAUSE), Some(5 + CLAIM_DURATION)], "it stays, and is tried again");
            Ok(())
        })
        .await;
    }
}
