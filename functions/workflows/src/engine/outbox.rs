//! Messages to be sent: written in the transaction that decides on them, removed once the broker has confirmed them.

use model::{Environment, Event, Job, TaskId};
use runtime::{
    DatabaseError,
    database::{Dialect, Transaction},
};
use serde::{Deserialize, Serialize};

use super::store;
use crate::run::messages::RunFile;

/// The time that a process has to send what it has claimed, before another sends it as well; in milliseconds.
const CLAIM_DURATION: i64 = 30_000;
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
    /// The condition on a message's id.
    fn condition(self) -> &'static str {
        match self {
            Self::Broker => "id NOT LIKE '%.log' AND id NOT LIKE '%.end'",
            Self::Storage => "(id LIKE '%.log' OR id LIKE '%.end')",
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
    let values = [format!("{run}.log").into(), environment.as_str().into(), due.into(), body];
    transaction.execute(sql, &values).map(drop)
}

/// Claims some of the messages that are due and go this way; other processes leave them alone for a while.
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
    let sql = format!(
        "SELECT id, version, body FROM bellwire_workflow_outbox WHERE environment = $1 AND due <= $2 AND {} \
         ORDER BY due, id LIMIT $3{skip_locked}",
        way.condition()
    );
    let rows = transaction.query(&sql, &[environment.as_str().into(), now.into(), CLAIM_BATCH.into()])?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = row.text(0).unwrap_or_default().to_owned();
        postpone(transaction, &id, now + CLAIM_DURATION)?;
        let message = store::from_json(row.text(2))?;
        claimed.push(ClaimedMessage { id, version: row.integer(1).unwrap_or_default(), message });
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
