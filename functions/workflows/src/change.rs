//! One change of a run: a transaction that locks it, takes in what was heard, plans what comes next, and writes both
//! the new state and what is to be sent.

use jiff::Timestamp;
use model::{Audience, Job, TaskId, TaskState};
use runtime::{DatabaseError, database::Transaction};
use serde_json::{Map, Value, json};
use storage::FileKey;

use crate::{
    expression,
    fold::Word,
    outbox::{self, Parcel},
    plan::{Action, Limits, Plan, Undo},
    prepare::{self, Preparing},
    state::{ItemState, Of, Phase, Run},
    store::{self, Dialect},
    tell,
};

/// A run that only goes on is told of at most so often, and one that rests at least so often; in milliseconds.
const BETWEEN_WORDS: i64 = 1000;
const BETWEEN_REMINDERS: i64 = 30 * 60_000;
/// After which an output that could not be brought from storage is tried again, in milliseconds.
const FETCH_AGAIN: i64 = 10_000;

/// What a change came to.
#[derive(Debug, PartialEq)]
pub(crate) enum Changed {
    /// There is no run of this id.
    Unknown,
    /// It was over before.
    Nothing,
    /// It stands, and with it the run is over.
    Over(TaskState),
    /// It stands; these outputs must be brought from storage before it goes on.
    Done(Vec<Fetch>),
}

/// An output that lies in storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) owner: String,
    pub(crate) of: Of,
    pub(crate) key: FileKey,
}

/// How changes are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changing {
    pub(crate) limits: Limits,
    pub(crate) dialect: Dialect,
    pub(crate) now: i64,
}

impl Changing {
    /// Changes a run by these words and by the time that it is.
    pub(crate) fn change(
        self,
        transaction: &mut dyn Transaction,
        id: TaskId,
        words: Vec<Word>,
    ) -> Result<Changed, DatabaseError> {
        let Some(before) = store::load(transaction, id, self.dialect)? else {
            return Ok(Changed::Unknown);
        };
        if before.is_over() {
            return Ok(Changed::Nothing);
        }
        let mut run = before.clone();
        let mut plan = Plan { run: &mut run, now: self.now, limits: self.limits, actions: Vec::new() };
        for word in words {
            let asked = asked(transaction, plan.run, &word)?;
            plan.hear(word, &mut |_| asked.clone());
        }
        let mut kept = |run: &Run, step: usize| store::kept(transaction, run, step);
        let most_items = self.limits.most_items;
        let mut preparing = Preparing { now: self.now, most_items, kept: &mut kept, wanted: Vec::new() };
        plan.advance(&mut |run, step, undo| preparing.prepare(run, step, undo))?;
        let (wanted, actions, owner) = (preparing.wanted, plan.actions, before.owner.clone());
        let phase = run.phase;
        self.write(transaction, before, run, &actions, !wanted.is_empty())?;
        if let Phase::Over(state) = phase {
            return Ok(Changed::Over(state));
        }
        let fetch = wanted.into_iter().map(|(of, key)| Fetch { owner: owner.clone(), of, key });
        Ok(Changed::Done(fetch.collect()))
    }

    fn write(
        self,
        transaction: &mut dyn Transaction,
        before: Run,
        mut run: Run,
        actions: &[Action],
        waits_for_storage: bool,
    ) -> Result<(), DatabaseError> {
        for action in actions {
            if let Some((id, parcel)) = parcel(transaction, &run, *action)? {
                outbox::put(transaction, &run.environment, &id, &parcel, self.now)?;
            }
        }
        self.tell(transaction, &before, &mut run)?;
        let reminder = run.told + if run.untold { BETWEEN_WORDS } else { BETWEEN_REMINDERS };
        let storage = waits_for_storage.then_some(self.now + FETCH_AGAIN);
        let due = [run.due(), Some(reminder), storage].into_iter().flatten().min().filter(|_| !run.is_over());
        let ended = run.is_over().then_some(self.now);
        store::save(transaction, (&before, &run), due, ended)
    }

    /// Tells how far it is, unless that was told a moment ago and no step has changed its state.
    fn tell(self, transaction: &mut dyn Transaction, before: &Run, run: &mut Run) -> Result<(), DatabaseError> {
        let states = |run: &Run| run.steps.iter().map(|step| (step.state, step.note.clone())).collect::<Vec<_>>();
        let is_news = states(before) != states(run) || before.phase != run.phase || run.told == 0;
        run.untold |= *run != *before;
        let since = self.now - run.told;
        if !(is_news || (run.untold && since >= BETWEEN_WORDS) || since >= BETWEEN_REMINDERS) {
            return Ok(());
        }
        // Rises, and above what the host of the run's own job has told with the same clock.
        let tenths = Timestamp::now().duration_since(run.created).as_millis() / 100;
        let clock = u32::try_from(tenths.max(0)).unwrap_or(u32::MAX - 1);
        run.sequence = clock.max(run.sequence.saturating_add(1)).saturating_add(1);
        (run.revision, run.told, run.untold) = (run.revision.saturating_add(1), self.now, false);
        let output = match run.phase {
            Phase::Over(TaskState::Succeeded) => self.output(transaction, run)?,
            _ => Map::new(),
        };
        let event = Parcel::Event(Box::new(tell::event(run, output)));
        outbox::put(transaction, &run.environment, &format!("{}.told", run.id), &event, self.now)
    }

    /// What the definition shows at the end; what refers to a skipped step is left out.
    fn output(self, transaction: &mut dyn Transaction, run: &Run) -> Result<Map<String, Value>, DatabaseError> {
        let definition = run.definition.clone();
        let texts = prepare::texts(&definition.output);
        let mut kept = |run: &Run, step: usize| store::kept(transaction, run, step);
        let mut preparing = Preparing { now: self.now, most_items: 0, kept: &mut kept, wanted: Vec::new() };
        let reach = preparing.reach(run, &texts.iter().map(String::as_str).collect())?;
        let filled = definition.output.iter().filter_map(|(name, value)| {
            let value = expression::fill(value, &reach);
            let value = value.inspect_err(|why| tracing::warn!(run = %run.id, "output.{name} is left out: {why}"));
            Some((name.clone(), value.ok()?))
        });
        Ok(filled.collect())
    }
}

/// Who was asked by the step that an answer is to.
fn asked(transaction: &mut dyn Transaction, run: &Run, word: &Word) -> Result<Audience, DatabaseError> {
    let Word::Answered(answer) = word else {
        return Ok(Audience::default());
    };
    let step = run.definition.position(&answer.step).filter(|step| !run.steps[*step].items.is_empty());
    let Some(step) = step else {
        return Ok(Audience::default());
    };
    let asked = store::input(transaction, run, Of { step, item: 0 })?;
    Ok(asked["audience"].as_str().and_then(|audience| audience.parse().ok()).unwrap_or_default())
}

/// What an action sends, and under which id it waits to be sent.
fn parcel(
    transaction: &mut dyn Transaction,
    run: &Run,
    action: Action,
) -> Result<Option<(String, Parcel)>, DatabaseError> {
    Ok(match action {
        Action::Submit(of) => {
            let given = store::input(transaction, run, of)?;
            job(run, of, &given).map(|job| (job.task.to_string(), Parcel::Job(Box::new(job))))
        }
        Action::Cancel(of, attempt) => {
            let task = run.task_of(of, attempt, false);
            kind(run, of, Undo::No).map(|kind| {
                let event = tell::taking_back(run, of, task, kind);
                (event.id.clone(), Parcel::Event(Box::new(event)))
            })
        }
        Action::Ask(of) => {
            let asked = store::input(transaction, run, of)?;
            tell::question(run, of, &asked).map(|event| (event.id.clone(), Parcel::Event(Box::new(event))))
        }
    })
}

/// The queue of an item's job: of another workflow, ours.
fn kind(run: &Run, of: Of, undo: Undo) -> Option<model::Kind> {
    let step = run.step_definition(of.step);
    match (undo, &step.compensate) {
        (Undo::Yes, Some(compensate)) => compensate.kind.parse().ok(),
        _ if step.nested => Some(tell::kind()),
        _ => step.kind.parse().ok(),
    }
}

fn job(run: &Run, of: Of, given: &Value) -> Option<Job> {
    let step = run.step_definition(of.step);
    let undoes = run.steps[of.step].items[of.item].state == ItemState::Undoing;
    let kind = kind(run, of, if undoes { Undo::Yes } else { Undo::No })?;
    let input = match given.get("input") {
        Some(input) if step.nested && !undoes => json!({ "workflow": step.kind, "input": input }),
        Some(input) => input.clone(),
        None => Value::Null,
    };
    let title = match undoes {
        true => format!("Undo: {}", step.shown()),
        false => step.shown().to_owned(),
    };
    Some(Job {
        groups: run.groups.clone(),
        parent: Some(run.id),
        traceparent: run.traceparent.clone(),
        ..Job::new(run.task(of), kind, &run.owner, &tell::shortened(&title, 180), input)
    })
}
