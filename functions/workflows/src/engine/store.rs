//! The tables of runs: a row for each run, and one for each of its steps and items.

use std::sync::Arc;

use model::{Environment, TaskId};
use runtime::{
    DatabaseError,
    database::{Dialect, Row, Tables, Transaction, Value as Sql},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::run::{
    said::Said,
    state::{Item, ItemIndex, Run, StepRun},
};

/// The tables of runs, their steps and the outbox.
pub(crate) const TABLES: Tables = Tables::portable(
    &["bellwire_workflow_runs", "bellwire_workflow_steps", "bellwire_workflow_outbox"],
    &["bellwire_workflow_runs_due", "bellwire_workflow_runs_ended"],
    "CREATE TABLE IF NOT EXISTS bellwire_workflow_runs (id TEXT PRIMARY KEY, environment TEXT NOT NULL, due BIGINT, \
     ended BIGINT, body TEXT NOT NULL, definition TEXT NOT NULL); \
     CREATE INDEX IF NOT EXISTS bellwire_workflow_runs_due ON bellwire_workflow_runs (environment, due); \
     CREATE INDEX IF NOT EXISTS bellwire_workflow_runs_ended ON bellwire_workflow_runs (environment, ended); \
     CREATE TABLE IF NOT EXISTS bellwire_workflow_steps (run TEXT NOT NULL, step TEXT NOT NULL, item BIGINT NOT NULL, \
     body TEXT NOT NULL, input TEXT, output TEXT, PRIMARY KEY (run, step, item)); \
     CREATE TABLE IF NOT EXISTS bellwire_workflow_outbox (id TEXT PRIMARY KEY, environment TEXT NOT NULL, \
     version BIGINT NOT NULL, due BIGINT NOT NULL, body TEXT NOT NULL)",
);
/// The item number in the row of a step itself.
const STEP_ROW: i64 = -1;
/// The most runs that are removed at once.
const PURGE_BATCH: i64 = 100;

/// What a run has said, and to whom.
#[derive(Deserialize)]
struct Saying {
    owner: String,
    #[serde(default)]
    said: Said,
}

/// What tells whose a run is.
#[derive(Deserialize)]
struct Owned {
    owner: String,
}

/// Inserts a new run, due at once; false if it is there already.
pub(crate) fn insert(transaction: &mut dyn Transaction, run: &Run) -> Result<bool, DatabaseError> {
    let sql = "INSERT INTO bellwire_workflow_runs (id, environment, due, ended, body, definition) \
               VALUES ($1, $2, 0, NULL, $3, $4) ON CONFLICT DO NOTHING";
    let values =
        [run.id.to_string().into(), run.environment.as_str().into(), to_json(run)?, to_json(&*run.definition)?];
    if transaction.execute(sql, &values)? == 0 {
        return Ok(false);
    }
    for (step, definition) in run.steps.iter().zip(&run.definition.steps) {
        save_step(transaction, run.id, &definition.id, step)?;
    }
    Ok(true)
}

/// Loads a run, and locks it until the transaction ends.
pub(crate) fn load(transaction: &mut dyn Transaction, id: TaskId) -> Result<Option<Run>, DatabaseError> {
    let sql = match transaction.dialect() {
        // There is only one writing transaction at a time.
        Dialect::Sqlite => "SELECT body, definition FROM bellwire_workflow_runs WHERE id = $1",
        Dialect::Postgres => "SELECT body, definition FROM bellwire_workflow_runs WHERE id = $1 FOR UPDATE",
    };
    let rows = transaction.query(sql, &[id.to_string().into()])?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let mut run: Run = from_json(row.text(0))?;
    run.definition = Arc::new(from_json(row.text(1))?);
    run.steps = run.definition.steps.iter().map(|_| StepRun::waiting()).collect();
    let sql = "SELECT step, item, body FROM bellwire_workflow_steps WHERE run = $1 ORDER BY step, item";
    for row in transaction.query(sql, &[id.to_string().into()])? {
        let index = row.text(0).and_then(|step| run.definition.step_index(step));
        let Some(step) = index.and_then(|index| run.steps.get_mut(index)) else { continue };
        match row.integer(1) {
            Some(STEP_ROW) => *step = StepRun { items: std::mem::take(&mut step.items), ..from_json(row.text(2))? },
            _ => step.items.push(from_json(row.text(2))?),
        }
    }
    Ok(Some(run))
}

/// What a run has said, and its owner; none if the run is removed.
pub(crate) fn load_said(
    transaction: &mut dyn Transaction,
    id: TaskId,
) -> Result<Option<(String, Said)>, DatabaseError> {
    let sql = "SELECT body FROM bellwire_workflow_runs WHERE id = $1";
    let rows = transaction.query(sql, &[id.to_string().into()])?;
    let said = rows.first().map(|row| from_json::<Saying>(row.text(0))).transpose()?;
    Ok(said.map(|Saying { owner, said }| (owner, said)))
}

/// Saves what has changed of a run; `due` is its next update, `ended` its end.
pub(crate) fn save(
    transaction: &mut dyn Transaction,
    (before, run): (&Run, &Run),
    due: Option<i64>,
    ended: Option<i64>,
) -> Result<(), DatabaseError> {
    let sql = "UPDATE bellwire_workflow_runs SET body = $1, due = $2, ended = $3 WHERE id = $4";
    transaction.execute(sql, &[to_json(run)?, due.into(), ended.into(), run.id.to_string().into()])?;
    for (index, (was, step)) in before.steps.iter().zip(&run.steps).enumerate() {
        let id = &run.definition.steps[index].id;
        if (was.state, &was.note, was.rejected, was.end_order)
            != (step.state, &step.note, step.rejected, step.end_order)
        {
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
    upsert(transaction, [run.to_string().into(), id.into(), STEP_ROW.into(), to_json(step)?, Sql::Null, Sql::Null])
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
        [run.to_string().into(), step.into(), nth.into(), to_json(item)?, text(&item.input), text(&item.output)],
    )
}

fn upsert(transaction: &mut dyn Transaction, values: [Sql; 6]) -> Result<(), DatabaseError> {
    let sql = "INSERT INTO bellwire_workflow_steps (run, step, item, body, input, output) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (run, step, item) DO UPDATE SET body = excluded.body, \
               input = COALESCE(excluded.input, bellwire_workflow_steps.input), \
               output = COALESCE(excluded.output, bellwire_workflow_steps.output)";
    transaction.execute(sql, &values).map(drop)
}

/// Loads input and output of all items of a step; those that are new in `run` are not saved yet and come from there.
pub(crate) fn load_items(
    transaction: &mut dyn Transaction,
    run: &Run,
    step: usize,
) -> Result<Vec<(Value, Value)>, DatabaseError> {
    let items = &run.steps[step].items;
    let mut loaded = vec![(Value::Null, Value::Null); items.len()];
    let sql = "SELECT item, input, output FROM bellwire_workflow_steps WHERE run = $1 AND step = $2 AND item >= 0";
    let values = [run.id.to_string().into(), run.step_definition(step).id.as_str().into()];
    for row in transaction.query(sql, &values)? {
        let index = row.integer(0).and_then(|item| usize::try_from(item).ok());
        if let Some(loaded) = index.and_then(|index| loaded.get_mut(index)) {
            let json = |column| row.text(column).map_or(Ok(Value::Null), |text| from_json(Some(text)));
            *loaded = (json(1)?, json(2)?);
        }
    }
    for ((input, output), item) in loaded.iter_mut().zip(items) {
        item.input.iter().for_each(|new| input.clone_from(new));
        item.output.iter().for_each(|new| output.clone_from(new));
    }
    Ok(loaded)
}

/// Loads the input of one item.
pub(crate) fn load_input(
    transaction: &mut dyn Transaction,
    run: &Run,
    index: ItemIndex,
) -> Result<Value, DatabaseError> {
    if let Some(input) = &run.item(index).input {
        return Ok(input.clone());
    }
    let sql = "SELECT input FROM bellwire_workflow_steps WHERE run = $1 AND step = $2 AND item = $3";
    let item = i64::try_from(index.item).unwrap_or(i64::MAX);
    let values = [run.id.to_string().into(), run.step_definition(index.step).id.as_str().into(), item.into()];
    let rows = transaction.query(sql, &values)?;
    rows.first().and_then(|row| row.text(0)).map_or(Ok(Value::Null), |text| from_json(Some(text)))
}

/// The runs of an environment that are due, with their owners, the longest due first.
pub(crate) fn due(
    transaction: &mut dyn Transaction,
    environment: &Environment,
    now: i64,
) -> Result<Vec<(TaskId, String)>, DatabaseError> {
    let sql = "SELECT id, body FROM bellwire_workflow_runs WHERE environment = $1 AND due <= $2 ORDER BY due LIMIT 100";
    ids_and_owners(&transaction.query(sql, &[environment.as_str().into(), now.into()])?)
}

/// The runs of an environment that have not ended, with their owners.
pub(crate) fn unfinished(
    transaction: &mut dyn Transaction,
    environment: &Environment,
) -> Result<Vec<(TaskId, String)>, DatabaseError> {
    let sql = "SELECT id, body FROM bellwire_workflow_runs WHERE environment = $1 AND ended IS NULL";
    ids_and_owners(&transaction.query(sql, &[environment.as_str().into()])?)
}

/// Postpones the next update of a run.
pub(crate) fn postpone(transaction: &mut dyn Transaction, id: TaskId, due: i64) -> Result<(), DatabaseError> {
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
    let old = ids(&transaction.query(sql, &[environment.as_str().into(), before.into(), PURGE_BATCH.into()])?)?;
    for id in &old {
        transaction.execute("DELETE FROM bellwire_workflow_steps WHERE run = $1", &[id.to_string().into()])?;
        transaction.execute("DELETE FROM bellwire_workflow_runs WHERE id = $1", &[id.to_string().into()])?;
    }
    Ok(old.len() as i64 == PURGE_BATCH)
}

/// A run whose body cannot be read is nobody's; its update says so.
fn ids_and_owners(rows: &[Row]) -> Result<Vec<(TaskId, String)>, DatabaseError> {
    let owner = |row: &Row| from_json::<Owned>(row.text(1)).map(|run| run.owner).unwrap_or_default();
    Ok(ids(rows)?.into_iter().zip(rows.iter().map(owner)).collect())
}

fn ids(rows: &[Row]) -> Result<Vec<TaskId>, DatabaseError> {
    let id = |row: &Row| row.text(0).and_then(|id| id.parse().ok());
    rows.iter().map(|row| id(row).ok_or_else(|| DatabaseError::Refused("a run's id is none".to_owned()))).collect()
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<Sql, DatabaseError> {
    let text = serde_json::to_string(value);
    text.map(Sql::Text).map_err(|error| DatabaseError::Refused(format!("a run cannot be written down: {error}")))
}

pub(crate) fn from_json<T: DeserializeOwned>(text: Option<&str>) -> Result<T, DatabaseError> {
    serde_json::from_str(text.unwrap_or_default())
        .map_err(|error| DatabaseError::Refused(format!("what is kept of a run cannot be read: {error}")))
}
