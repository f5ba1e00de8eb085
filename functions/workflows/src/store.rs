//! Runs in the database: one row for each, one for each of its steps and items.

use std::sync::Arc;

use model::{Environment, TaskId};
use runtime::{
    Database, DatabaseError,
    database::{Transaction, Value as Sql},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::state::{Item, Of, Run, StepRun};

const TABLES: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS bellwire_workflow_runs (id TEXT PRIMARY KEY, environment TEXT NOT NULL, \
     due BIGINT, ended BIGINT, body TEXT NOT NULL, definition TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS bellwire_workflow_runs_due ON bellwire_workflow_runs (environment, due)",
    "CREATE INDEX IF NOT EXISTS bellwire_workflow_runs_ended ON bellwire_workflow_runs (environment, ended)",
    "CREATE TABLE IF NOT EXISTS bellwire_workflow_steps (run TEXT NOT NULL, step TEXT NOT NULL, item BIGINT NOT NULL, \
     body TEXT NOT NULL, input TEXT, output TEXT, PRIMARY KEY (run, step, item))",
    "CREATE TABLE IF NOT EXISTS bellwire_workflow_outbox (id TEXT PRIMARY KEY, environment TEXT NOT NULL, \
     version BIGINT NOT NULL, due BIGINT NOT NULL, body TEXT NOT NULL)",
];
/// The row of a step itself, among those of its items.
const ITSELF: i64 = -1;
/// Runs that are removed at once.
const CHUNK: i64 = 100;
/// Two who make the tables at once would fail: PostgreSQL checks for them before it locks.
const MAKING: i64 = 0x0062_656c_6c77_6972;

/// Which database it is, where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    pub(crate) fn of(database: &Database) -> Self {
        match database {
            Database::Sqlite(_) => Self::Sqlite,
            Database::Postgres(_) => Self::Postgres,
        }
    }

    /// In SQLite a transaction that writes is alone.
    fn locking(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }

    pub(crate) fn skipping_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }
}

/// Makes the tables where they are missing.
pub(crate) fn make_tables(transaction: &mut dyn Transaction, dialect: Dialect) -> Result<(), DatabaseError> {
    if dialect == Dialect::Postgres {
        // Looked for first: a role that may not create anything can use what its operator has made.
        if are_there(transaction)? {
            return Ok(());
        }
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[MAKING.into()])?;
    }
    for sql in TABLES {
        transaction.execute(sql, &[])?;
    }
    Ok(())
}

fn are_there(transaction: &mut dyn Transaction) -> Result<bool, DatabaseError> {
    let found = transaction.query("SELECT to_regclass('bellwire_workflow_outbox')::text", &[])?;
    Ok(found.first().is_some_and(|row| row.text(0).is_some()))
}

/// Inserts a new run, due at once; false if it is there already.
pub(crate) fn insert(transaction: &mut dyn Transaction, run: &Run) -> Result<bool, DatabaseError> {
    let sql = "INSERT INTO bellwire_workflow_runs (id, environment, due, ended, body, definition) \
               VALUES ($1, $2, 0, NULL, $3, $4) ON CONFLICT DO NOTHING";
    let values =
        [run.id.to_string().into(), run.environment.as_str().into(), written(run)?, written(&*run.definition)?];
    if transaction.execute(sql, &values)? == 0 {
        return Ok(false);
    }
    for (step, definition) in run.steps.iter().zip(&run.definition.steps) {
        save_step(transaction, run.id, &definition.id, step)?;
    }
    Ok(true)
}

/// Loads a run, and locks it until the transaction ends.
pub(crate) fn load(
    transaction: &mut dyn Transaction,
    id: TaskId,
    dialect: Dialect,
) -> Result<Option<Run>, DatabaseError> {
    let sql = format!("SELECT body, definition FROM bellwire_workflow_runs WHERE id = $1{}", dialect.locking());
    let rows = transaction.query(&sql, &[id.to_string().into()])?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let mut run: Run = read(row.text(0))?;
    run.definition = Arc::new(read(row.text(1))?);
    run.steps = run.definition.steps.iter().map(|_| StepRun::waiting()).collect();
    let sql = "SELECT step, item, body FROM bellwire_workflow_steps WHERE run = $1 ORDER BY step, item";
    for row in transaction.query(sql, &[id.to_string().into()])? {
        let at = row.text(0).and_then(|step| run.definition.position(step));
        let Some(step) = at.and_then(|at| run.steps.get_mut(at)) else { continue };
        match row.integer(1) {
            Some(ITSELF) => *step = StepRun { items: std::mem::take(&mut step.items), ..read(row.text(2))? },
            _ => step.items.push(read(row.text(2))?),
        }
    }
    Ok(Some(run))
}

/// Writes what has changed of a run; `due` is when it is next looked at, `ended` when it ended.
pub(crate) fn save(
    transaction: &mut dyn Transaction,
    (before, run): (&Run, &Run),
    due: Option<i64>,
    ended: Option<i64>,
) -> Result<(), DatabaseError> {
    let sql = "UPDATE bellwire_workflow_runs SET body = $1, due = $2, ended = $3 WHERE id = $4";
    transaction.execute(sql, &[written(run)?, due.into(), ended.into(), run.id.to_string().into()])?;
    for (at, (was, step)) in before.steps.iter().zip(&run.steps).enumerate() {
        let id = &run.definition.steps[at].id;
        if (was.state, &was.note, was.order) != (step.state, &step.note, step.order) {
            save_step(transaction, run.id, id, step)?;
        }
        for (nth, item) in step.items.iter().enumerate() {
            if was.items.get(nth) != Some(item) {
                save_item(transaction, run.id, id, nth, item)?;
            }
        }
    }
    Ok(())
}

fn save_step(transaction: &mut dyn Transaction, run: TaskId, id: &str, step: &StepRun) -> Result<(), DatabaseError> {
    upsert(transaction, [run.to_string().into(), id.into(), ITSELF.into(), written(step)?, Sql::Null, Sql::Null])
}

fn save_item(
    transaction: &mut dyn Transaction,
    run: TaskId,
    step: &str,
    nth: usize,
    item: &Item,
) -> Result<(), DatabaseError> {
    let text = |value: &Option<Value>| Sql::from(value.as_ref().map(Value::to_string));
    let nth = i64::try_from(nth).unwrap_or(i64::MAX);
    upsert(
        transaction,
        [run.to_string().into(), step.into(), nth.into(), written(item)?, text(&item.input), text(&item.output)],
    )
}

fn upsert(transaction: &mut dyn Transaction, values: [Sql; 6]) -> Result<(), DatabaseError> {
    let sql = "INSERT INTO bellwire_workflow_steps (run, step, item, body, input, output) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (run, step, item) DO UPDATE SET body = excluded.body, \
               input = COALESCE(excluded.input, bellwire_workflow_steps.input), \
               output = COALESCE(excluded.output, bellwire_workflow_steps.output)";
    transaction.execute(sql, &values).map(drop)
}

/// Input and output of all items of a step, those that are new in `run` among them.
pub(crate) fn kept(
    transaction: &mut dyn Transaction,
    run: &Run,
    step: usize,
) -> Result<Vec<(Value, Value)>, DatabaseError> {
    let items = &run.steps[step].items;
    let mut kept = vec![(Value::Null, Value::Null); items.len()];
    let sql = "SELECT item, input, output FROM bellwire_workflow_steps WHERE run = $1 AND step = $2 AND item >= 0";
    let values = [run.id.to_string().into(), run.step_definition(step).id.as_str().into()];
    for row in transaction.query(sql, &values)? {
        let at = row.integer(0).and_then(|item| usize::try_from(item).ok());
        if let Some(kept) = at.and_then(|at| kept.get_mut(at)) {
            let json = |column| row.text(column).map_or(Ok(Value::Null), |text| read(Some(text)));
            *kept = (json(1)?, json(2)?);
        }
    }
    for ((input, output), item) in kept.iter_mut().zip(items) {
        item.input.iter().for_each(|new| input.clone_from(new));
        item.output.iter().for_each(|new| output.clone_from(new));
    }
    Ok(kept)
}

/// Input of one item.
pub(crate) fn input(transaction: &mut dyn Transaction, run: &Run, of: Of) -> Result<Value, DatabaseError> {
    if let Some(input) = &run.steps[of.step].items[of.item].input {
        return Ok(input.clone());
    }
    let sql = "SELECT input FROM bellwire_workflow_steps WHERE run = $1 AND step = $2 AND item = $3";
    let item = i64::try_from(of.item).unwrap_or(i64::MAX);
    let values = [run.id.to_string().into(), run.step_definition(of.step).id.as_str().into(), item.into()];
    let rows = transaction.query(sql, &values)?;
    rows.first().and_then(|row| row.text(0)).map_or(Ok(Value::Null), |text| read(Some(text)))
}

/// Runs of an environment that are to be looked at, the longest due first.
pub(crate) fn due(
    transaction: &mut dyn Transaction,
    environment: &Environment,
    now: i64,
) -> Result<Vec<TaskId>, DatabaseError> {
    let sql = "SELECT id FROM bellwire_workflow_runs WHERE environment = $1 AND due <= $2 ORDER BY due LIMIT 100";
    ids(transaction.query(sql, &[environment.as_str().into(), now.into()])?)
}

/// Runs of an environment that have not ended.
pub(crate) fn under_way(
    transaction: &mut dyn Transaction,
    environment: &Environment,
) -> Result<Vec<TaskId>, DatabaseError> {
    let sql = "SELECT id FROM bellwire_workflow_runs WHERE environment = $1 AND ended IS NULL";
    ids(transaction.query(sql, &[environment.as_str().into()])?)
}

/// Looks at a run no sooner than then.
pub(crate) fn put_off(transaction: &mut dyn Transaction, id: TaskId, due: i64) -> Result<(), DatabaseError> {
    let sql = "UPDATE bellwire_workflow_runs SET due = $1 WHERE id = $2 AND due < $1";
    transaction.execute(sql, &[due.into(), id.to_string().into()]).map(drop)
}

/// Removes some of the runs that ended before then; answers whether there may be more.
pub(crate) fn purge(
    transaction: &mut dyn Transaction,
    environment: &Environment,
    before: i64,
) -> Result<bool, DatabaseError> {
    let sql = "SELECT id FROM bellwire_workflow_runs WHERE environment = $1 AND ended < $2 ORDER BY ended LIMIT $3";
    let old = ids(transaction.query(sql, &[environment.as_str().into(), before.into(), CHUNK.into()])?)?;
    for id in &old {
        transaction.execute("DELETE FROM bellwire_workflow_steps WHERE run = $1", &[id.to_string().into()])?;
        transaction.execute("DELETE FROM bellwire_workflow_runs WHERE id = $1", &[id.to_string().into()])?;
    }
    Ok(old.len() as i64 == CHUNK)
}

fn ids(rows: Vec<runtime::database::Row>) -> Result<Vec<TaskId>, DatabaseError> {
    let id = |row: &runtime::database::Row| row.text(0).and_then(|id| id.parse().ok());
    rows.iter().map(|row| id(row).ok_or_else(|| DatabaseError::Refused("a run's id is none".to_owned()))).collect()
}

pub(crate) fn written<T: Serialize>(value: &T) -> Result<Sql, DatabaseError> {
    let text = serde_json::to_string(value);
    text.map(Sql::Text).map_err(|error| DatabaseError::Refused(format!("a run cannot be written down: {error}")))
}

pub(crate) fn read<T: DeserializeOwned>(text: Option<&str>) -> Result<T, DatabaseError> {
    serde_json::from_str(text.unwrap_or_default())
        .map_err(|error| DatabaseError::Refused(format!("what is kept of a run cannot be read: {error}")))
}
