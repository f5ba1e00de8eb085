//! What is to be sent, written down in the transaction that decides it and removed once the broker has it.

use model::{Environment, Event, Job};
use runtime::{DatabaseError, database::Transaction};
use serde::{Deserialize, Serialize};

use crate::store::{self, Dialect};

/// How long one process has for what it has claimed, before another sends it as well, in milliseconds.
const CLAIM: i64 = 30_000;
/// Most that is claimed at once.
pub(crate) const AT_ONCE: i64 = 32;

/// Something to be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Parcel {
    Job(Box<Job>),
    Event(Box<Event>),
}

/// Something that this process is to send now.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) id: String,
    /// Which version of it: a newer one may be written meanwhile.
    version: i64,
    pub(crate) parcel: Parcel,
}

/// Writes down what is to be sent; what waits under the same id is replaced.
pub(crate) fn put(
    transaction: &mut dyn Transaction,
    environment: &Environment,
    id: &str,
    parcel: &Parcel,
    now: i64,
) -> Result<(), DatabaseError> {
    let sql = "INSERT INTO bellwire_workflow_outbox (id, environment, version, due, body) VALUES ($1, $2, 1, $3, $4) \
               ON CONFLICT (id) DO UPDATE SET body = excluded.body, due = excluded.due, \
               version = bellwire_workflow_outbox.version + 1";
    let values = [id.into(), environment.as_str().into(), now.into(), store::written(parcel)?];
    transaction.execute(sql, &values).map(drop)
}

/// Takes some of what is due; others leave it to us for a while.
pub(crate) fn claim(
    transaction: &mut dyn Transaction,
    environment: &Environment,
    now: i64,
    dialect: Dialect,
) -> Result<Vec<Claimed>, DatabaseError> {
    let sql = format!(
        "SELECT id, version, body FROM bellwire_workflow_outbox WHERE environment = $1 AND due <= $2 \
         ORDER BY due, id LIMIT $3{}",
        dialect.skipping_locked()
    );
    let rows = transaction.query(&sql, &[environment.as_str().into(), now.into(), AT_ONCE.into()])?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = row.text(0).unwrap_or_default().to_owned();
        later(transaction, &id, now + CLAIM)?;
        let parcel = store::read(row.text(2))?;
        claimed.push(Claimed { id, version: row.integer(1).unwrap_or_default(), parcel });
    }
    Ok(claimed)
}

/// Removes what was sent, unless something newer has taken its place.
pub(crate) fn sent(transaction: &mut dyn Transaction, claimed: &Claimed) -> Result<(), DatabaseError> {
    let sql = "DELETE FROM bellwire_workflow_outbox WHERE id = $1 AND version = $2";
    transaction.execute(sql, &[claimed.id.as_str().into(), claimed.version.into()]).map(drop)
}

/// Sends it no sooner than then.
pub(crate) fn later(transaction: &mut dyn Transaction, id: &str, due: i64) -> Result<(), DatabaseError> {
    let sql = "UPDATE bellwire_workflow_outbox SET due = $1 WHERE id = $2";
    transaction.execute(sql, &[due.into(), id.into()]).map(drop)
}
