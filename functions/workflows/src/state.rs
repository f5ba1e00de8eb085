//! How far a run has come: all that is known of it, as it is kept in the database. Times are milliseconds since 1970.

use std::sync::Arc;

use jiff::Timestamp;
use model::{Environment, StepState, TaskError, TaskId, TaskState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::definition::{Definition, Doing, StepDefinition};

/// A run of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: TaskId,
    pub(crate) environment: Environment,
    pub(crate) title: String,
    pub(crate) owner: String,
    pub(crate) groups: Vec<String>,
    pub(crate) parent: Option<TaskId>,
    /// How many runs it is within.
    pub(crate) depth: u32,
    pub(crate) traceparent: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) input: Map<String, Value>,
    /// The attempt of its job that began it last; lists believe the latest.
    pub(crate) attempt: u32,
    /// The last sequence that was told.
    pub(crate) sequence: u32,
    /// How often something was told.
    pub(crate) revision: u32,
    /// When something was last told.
    pub(crate) told: i64,
    /// Whether less was told than is known.
    pub(crate) untold: bool,
    pub(crate) phase: Phase,
    /// Whether it was taken back.
    pub(crate) cancelled: bool,
    /// Why it fails, once it does.
    pub(crate) failure: Option<TaskError>,
    /// How many steps have ended.
    pub(crate) ended: u32,
    #[serde(skip)]
    pub(crate) definition: Arc<Definition>,
    /// In the order of the definition.
    #[serde(skip)]
    pub(crate) steps: Vec<StepRun>,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Its steps are done.
    Going,
    /// It will not end well; what is under way is taken back and its end waited for.
    Stopping,
    /// What was done is undone, the last first.
    Undoing,
    /// Nothing more happens.
    Over(TaskState),
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepRun {
    pub(crate) state: StepState,
    pub(crate) note: Option<String>,
    /// It was the so-manieth to end; 0 until then.
    pub(crate) order: u32,
    /// What it does: one, or one for each; empty until it begins.
    #[serde(skip)]
    pub(crate) items: Vec<Item>,
}

/// One thing that a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) state: ItemState,
    /// Which try, from 1; 0 before the first.
    pub(crate) attempt: u32,
    /// When something is to be done by itself: a pause is over, a question is repeated.
    pub(crate) due: Option<i64>,
    /// Until when its end is waited for.
    pub(crate) deadline: Option<i64>,
    pub(crate) progress: f64,
    /// How often its question was asked.
    pub(crate) round: u32,
    pub(crate) note: Option<String>,
    pub(crate) href: Option<String>,
    /// Whether a stored output was brought here, or cannot be.
    pub(crate) fetched: bool,
    /// New here; kept in a column of its own and read when it is needed.
    #[serde(skip)]
    pub(crate) input: Option<Value>,
    /// New here; kept in a column of its own and read when it is needed.
    #[serde(skip)]
    pub(crate) output: Option<Value>,
}

/// How far one thing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ItemState {
    /// For its turn among many.
    Waiting,
    /// Its task is under way, or its time has not come.
    Running,
    /// Before the next try.
    Resting,
    /// Somebody was asked.
    Asked,
    /// Its task was taken back and has not ended.
    Stopping,
    Succeeded,
    Failed,
    Cancelled,
    /// The task that undoes it is under way.
    Undoing,
    Undone,
    /// What should have undone it failed.
    NotUndone,
}

impl ItemState {
    pub(crate) fn is_end(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running | Self::Resting | Self::Asked | Self::Stopping | Self::Undoing)
    }
}

impl Item {
    /// One that waits, with what it will be given.
    pub(crate) fn new(input: Value) -> Self {
        Self {
            state: ItemState::Waiting,
            attempt: 0,
            due: None,
            deadline: None,
            progress: 0.0,
            round: 0,
            note: None,
            href: None,
            fetched: false,
            input: Some(input),
            output: None,
        }
    }

    /// It has come to this, and waits for nothing.
    pub(crate) fn rest_in(&mut self, state: ItemState, note: Option<String>) {
        (self.state, self.due, self.deadline) = (state, None, None);
        if note.is_some() {
            self.note = note;
        }
    }
}

impl StepRun {
    /// One that waits for what it needs.
    pub(crate) fn waiting() -> Self {
        Self { state: StepState::Waiting, note: None, order: 0, items: Vec::new() }
    }

    /// Whether it can go no further; what is undone later has ended before.
    pub(crate) fn is_over(&self) -> bool {
        !matches!(self.state, StepState::Waiting | StepState::Running | StepState::Asked)
    }
}

/// One item of a run, and one task of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Of {
    pub(crate) step: usize,
    pub(crate) item: usize,
}

impl Run {
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    pub(crate) fn item(&mut self, of: Of) -> &mut Item {
        &mut self.steps[of.step].items[of.item]
    }

    pub(crate) fn step_definition(&self, step: usize) -> &StepDefinition {
        &self.definition.steps[step]
    }

    /// The task of one try: the same in every process, and nobody's who is a user.
    pub(crate) fn task_of(&self, of: Of, attempt: u32, undoes: bool) -> TaskId {
        let word = if undoes { "undo" } else { "do" };
        let key = format!("{}/{}/{word}/{attempt}", self.step_definition(of.step).id, of.item);
        TaskId::derived(&self.environment, &format!("run {}", self.id), &key)
    }

    /// The task that an item has now.
    pub(crate) fn task(&self, of: Of) -> TaskId {
        let item = &self.steps[of.step].items[of.item];
        self.task_of(of, item.attempt, item.state == ItemState::Undoing)
    }

    /// Which item's this task is, and of which try.
    pub(crate) fn find(&self, task: TaskId) -> Option<(Of, u32)> {
        for (step, run) in self.steps.iter().enumerate() {
            if self.step_definition(step).doing() != Doing::Job {
                continue;
            }
            for (item, each) in run.items.iter().enumerate().filter(|(_, each)| !each.state.is_end()) {
                let (of, undoes) = (Of { step, item }, each.state == ItemState::Undoing);
                let first = if undoes { each.attempt } else { 1 };
                if let Some(attempt) = (first..=each.attempt).find(|attempt| self.task_of(of, *attempt, undoes) == task)
                {
                    return Some((of, attempt));
                }
            }
        }
        None
    }

    /// All its items.
    pub(crate) fn all_items(&self) -> Vec<Of> {
        let steps = self.steps.iter().enumerate();
        steps.flat_map(|(step, run)| (0..run.items.len()).map(move |item| Of { step, item })).collect()
    }

    /// When something is next to be done without a word from outside; `None` once it is over.
    pub(crate) fn due(&self) -> Option<i64> {
        let items = self.steps.iter().flat_map(|step| &step.items);
        items.filter(|item| !item.state.is_end()).flat_map(|item| [item.due, item.deadline]).flatten().min()
    }
}
