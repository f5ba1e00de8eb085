//! One update of a run: a transaction that locks it, applies events, advances it, and writes both its new state and
//! the messages that follow.

use jiff::Timestamp;
use model::{Audience, TaskId, TaskState, task::DECLINED};
use runtime::{DatabaseError, database::Transaction};
use serde_json::{Map, Value};
use storage::FileKey;

use super::{
    outbox::{self, EndOfRun, Message},
    store,
};
use crate::{
    definition::expression,
    run::{
        approve::Asked,
        changes,
        event::RunEvent,
        messages::{self, Told},
        question,
        resolve::{self, Resolver},
        state::{ItemIndex, ItemState, Phase, Run},
        transition::{Action, Limits, Transition},
    },
};

/// The shortest pause between two publications of a run that only progresses, in milliseconds.
const PUBLISH_INTERVAL: i64 = 1000;
/// The longest pause between two publications of a run, in milliseconds.
const REMINDER_INTERVAL: i64 = 30 * 60_000;
/// The pause after an output could not be fetched from storage, in milliseconds.
const FETCH_RETRY: i64 = 10_000;

/// The result of an update.
#[derive(Debug, PartialEq)]
pub(crate) enum Updated {
    /// There is no run of this id.
    Unknown,
    /// The run had ended before.
    Unchanged,
    /// The run has ended with this update: its state, or `rejected`.
    Ended(&'static str),
    /// The run goes on; these outputs must be fetched from storage first.
    Advanced(Vec<StoredOutput>),
}

/// An output that is in storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredOutput {
    pub(crate) owner: String,
    pub(crate) item: ItemIndex,
    pub(crate) key: FileKey,
}

/// Updates a run at this time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update {
    pub(crate) limits: Limits,
    pub(crate) now: i64,
}

impl Update {
    /// Applies events to a run, and advances it.
    pub(crate) fn apply(
        self,
        transaction: &mut dyn Transaction,
        id: TaskId,
        events: Vec<RunEvent>,
    ) -> Result<Updated, DatabaseError> {
        let Some(before) = store::load(transaction, id)? else {
            return Ok(Updated::Unknown);
        };
        if before.is_over() {
            return Ok(Updated::Unchanged);
        }
        let mut run = before.clone();
        let mut transition = Transition { run: &mut run, now: self.now, limits: self.limits, actions: Vec::new() };
        for event in events {
            let asked = asked(transaction, transition.run, &event)?;
            transition.apply(event, &asked);
        }
        let (now, most_items) = (self.now, self.limits.most_items);
        let mut load_items = |run: &Run, step: usize| store::load_items(transaction, run, step);
        let mut resolver = Resolver { now, most_items, load_items: &mut load_items, missing: Vec::new() };
        transition.advance(&mut |run, step, operation| resolver.resolve(run, step, operation))?;
        let (missing, actions, owner) = (resolver.missing, transition.actions, before.owner.clone());
        let (phase, is_declined) = (run.phase, run.failure.as_ref().is_some_and(|error| error.reason == DECLINED));
        self.write(transaction, before, run, &actions, !missing.is_empty())?;
        if let Phase::Ended(state) = phase {
            return Ok(Updated::Ended(match state {
                TaskState::Failed if is_declined => "rejected",
                state => state.as_str(),
            }));
        }
        let missing = missing.into_iter().map(|(item, key)| StoredOutput { owner: owner.clone(), item, key });
        Ok(Updated::Advanced(missing.collect()))
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
            if let Some((id, message)) = message(transaction, &run, *action)? {
                outbox::put(transaction, &run.environment, &id, &message, self.now)?;
            }
        }
        changes::say_changes(&before, &mut run, self.now);
        let is_over = run.is_over();
        if let Some(due) = run.said.store_at(&before.said, self.now, is_over) {
            outbox::put_log(transaction, &run.environment, run.id, due)?;
        }
        self.publish(transaction, &before, &mut run)?;
        let publish = run.published_at + if run.has_unpublished { PUBLISH_INTERVAL } else { REMINDER_INTERVAL };
        let fetch = waits_for_storage.then_some(self.now + FETCH_RETRY);
        let due = [run.due(), Some(publish), fetch].into_iter().flatten().min().filter(|_| !run.is_over());
        let ended = run.is_over().then_some(self.now);
        store::save(transaction, (&before, &run), due, ended)
    }

    /// Publishes the state of a run, unless that was done a moment ago and no step has changed its state.
    fn publish(self, transaction: &mut dyn Transaction, before: &Run, run: &mut Run) -> Result<(), DatabaseError> {
        let states = |run: &Run| run.steps.iter().map(|step| (step.state, step.note.clone())).collect::<Vec<_>>();
        let is_urgent = states(before) != states(run) || before.phase != run.phase || run.published_at == 0;
        run.has_unpublished |= *run != *before;
        let elapsed = self.now - run.published_at;
        let is_due = (run.has_unpublished && elapsed >= PUBLISH_INTERVAL) || elapsed >= REMINDER_INTERVAL;
        if !is_urgent && !is_due {
            return Ok(());
        }
        // Rises, and above what the host of the run's own job has published with the same clock.
        let tenths = Timestamp::now().duration_since(run.created).as_millis() / 100;
        let clock = u32::try_from(tenths.max(0)).unwrap_or(u32::MAX - 1);
        run.sequence = clock.max(run.sequence.saturating_add(1)).saturating_add(1);
        (run.revision, run.published_at, run.has_unpublished) = (run.revision.saturating_add(1), self.now, false);
        let output = match run.phase {
            Phase::Ended(TaskState::Succeeded) => self.output(transaction, run)?,
            _ => Map::new(),
        };
        let told = Told { output, asks: asks(transaction, run)? };
        let event = messages::state_event(run, told);
        if !run.is_over() {
            return outbox::put_state(transaction, &run.environment, run.id, event, self.now);
        }
        let end = EndOfRun { event, run: run.id, owner: run.owner.clone(), files: messages::files(run) };
        outbox::put_end(transaction, &run.environment, end, self.now)
    }

    /// The output that the definition declares; fields that refer to a skipped step are left out.
    fn output(self, transaction: &mut dyn Transaction, run: &Run) -> Result<Map<String, Value>, DatabaseError> {
        let definition = run.definition.clone();
        let references = resolve::references_in(&definition.output);
        let mut load_items = |run: &Run, step: usize| store::load_items(transaction, run, step);
        let mut resolver = Resolver { now: self.now, most_items: 0, load_items: &mut load_items, missing: Vec::new() };
        let scope = resolver.scope(run, &references.iter().map(String::as_str).collect())?;
        let fields = definition.output.iter().filter_map(|(name, value)| {
            let value = expression::interpolate(value, &scope);
            let value = value.inspect_err(|error| tracing::warn!(run = %run.id, "output.{name} is left out: {error}"));
            Some((name.clone(), value.ok()?))
        });
        Ok(fields.collect())
    }
}

/// The wordings of what the run asks at the step of an answer; none for other events.
fn asked(transaction: &mut dyn Transaction, run: &Run, event: &RunEvent) -> Result<Vec<Asked>, DatabaseError> {
    let RunEvent::Answered(answer) = event else {
        return Ok(Vec::new());
    };
    let step = run.definition.step_index(&answer.step).filter(|step| !run.steps[*step].items.is_empty());
    let Some(step) = step else {
        return Ok(Vec::new());
    };
    let index = ItemIndex { step, item: 0 };
    Ok(question::wordings(run, index, &store::load_input(transaction, run, index)?))
}

/// Whom the steps of a run ask now.
fn asks(transaction: &mut dyn Transaction, run: &Run) -> Result<Vec<(usize, Audience)>, DatabaseError> {
    let mut asks = Vec::new();
    for index in run.all_items().into_iter().filter(|index| run.item(*index).state == ItemState::Asked) {
        let input = store::load_input(transaction, run, index)?;
        asks.extend(question::audience(run, index, &input).map(|audience| (index.step, audience)));
    }
    Ok(asks)
}

/// The message of an action, with its id in the outbox.
fn message(
    transaction: &mut dyn Transaction,
    run: &Run,
    action: Action,
) -> Result<Option<(String, Message)>, DatabaseError> {
    let event = match action {
        Action::Submit(index) => {
            let input = store::load_input(transaction, run, index)?;
            let job = messages::job(run, index, &input);
            return Ok(job.map(|job| (job.task.to_string(), Message::Job(Box::new(job)))));
        }
        Action::Cancel(index, attempt) => messages::cancel_event(run, index, attempt),
        Action::Ask(index, telling) => {
            question::event(run, index, &store::load_input(transaction, run, index)?, telling)
        }
        Action::Close(index, closing) => {
            question::closed_event(run, index, &store::load_input(transaction, run, index)?, closing)
        }
    };
    Ok(event.map(|event| (event.id.clone(), Message::Event(Box::new(event)))))
}
