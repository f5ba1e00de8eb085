//! The state of a run, as the database keeps it. Times are milliseconds since 1970.

use std::sync::Arc;

use jiff::Timestamp;
use model::{
    Environment, Kind, Priority, StepState, TaskError, TaskId, TaskState,
    job::{Grant, WORKFLOWS},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{asking::Asking, said::Said};
use crate::definition::document::{Definition, StepDefinition, StepType};

/// A run of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: TaskId,
    pub(crate) environment: Environment,
    pub(crate) title: String,
    pub(crate) owner: String,
    pub(crate) groups: Vec<String>,
    /// The number of the owner's other tasks that had not ended when it was started.
    #[serde(default)]
    pub(crate) backlog: u32,
    /// Of the jobs of its steps that say none.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub(crate) priority: Priority,
    pub(crate) parent: Option<TaskId>,
    /// The number of runs that it is nested in.
    pub(crate) depth: u32,
    /// The gateway's grant of the job that began it, or of the run that it is nested in; for the jobs of its steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grant: Option<Grant>,
    pub(crate) traceparent: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) input: Map<String, Value>,
    /// The last attempt of the job that started it; task lists believe the latest.
    pub(crate) attempt: u32,
    /// The last sequence that was published.
    pub(crate) sequence: u32,
    /// The number of times it was published.
    pub(crate) revision: u32,
    #[serde(rename = "told")]
    pub(crate) published_at: i64,
    /// True if it has changed since.
    #[serde(rename = "untold")]
    pub(crate) has_unpublished: bool,
    pub(crate) phase: Phase,
    /// True once its owner cancelled it.
    pub(crate) cancelled: bool,
    /// The error of the first step that failed.
    pub(crate) failure: Option<TaskError>,
    /// The number of steps that have ended.
    #[serde(rename = "ended")]
    pub(crate) ended_steps: u32,
    /// The version of the rules by which it was started: see [`RULES`].
    #[serde(default)]
    pub(crate) rules: u32,
    /// What it has said to its owner.
    #[serde(default, skip_serializing_if = "Said::is_empty")]
    pub(crate) said: Said,
    #[serde(skip)]
    pub(crate) definition: Arc<Definition>,
    /// In the order of the definition.
    #[serde(skip)]
    pub(crate) steps: Vec<StepRun>,
}

/// The rules by which a run is started now. Before the first, whoever started a run could answer its questions.
pub(crate) const RULES: u32 = 1;

/// The phases of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Its steps run.
    #[serde(rename = "going")]
    Running,
    /// It cannot succeed; running tasks are cancelled and their ends awaited.
    Stopping,
    /// Steps that succeeded are undone, the last first.
    #[serde(rename = "undoing")]
    Compensating,
    /// Nothing more happens.
    #[serde(rename = "over")]
    Ended(TaskState),
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepRun {
    pub(crate) state: StepState,
    pub(crate) note: Option<String>,
    /// True if somebody who was asked has rejected it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) rejected: bool,
    /// Its position among the steps that have ended, from 1; 0 until it ends.
    #[serde(rename = "order")]
    pub(crate) end_order: u32,
    /// One, or with `for_each` one for each entry; empty until it starts.
    #[serde(skip)]
    pub(crate) items: Vec<Item>,
}

/// One task, question or pause of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) state: ItemState,
    /// The current attempt, from 1; 0 before the first.
    pub(crate) attempt: u32,
    /// The end of a pause, or the next repetition of a question.
    pub(crate) due: Option<i64>,
    /// The time at which it times out.
    pub(crate) deadline: Option<i64>,
    pub(crate) progress: f64,
    /// The number of times its question was repeated.
    pub(crate) round: u32,
    /// The number of times that what undoes it was cancelled and submitted again.
    #[serde(default)]
    pub(crate) undone_again: u32,
    pub(crate) note: Option<String>,
    /// The reason of its failure, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// What is known of its question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asking: Option<Asking>,
    pub(crate) href: Option<String>,
    /// True once its stored output was fetched into the database, or is known to be gone.
    pub(crate) fetched: bool,
    /// Set where it is new; otherwise it is in a column of its own and read when it is needed.
    #[serde(skip)]
    pub(crate) input: Option<Value>,
    /// Set where it is new; otherwise it is in a column of its own and read when it is needed.
    #[serde(skip)]
    pub(crate) output: Option<Value>,
}

/// The states of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ItemState {
    /// Other items of the step come first.
    Waiting,
    /// Its task runs, or its pause lasts.
    Running,
    /// Its last attempt failed, and the next is due later.
    #[serde(rename = "resting")]
    Retrying,
    /// Its question has no answer yet.
    Asked,
    /// Its task was cancelled and has not ended.
    Stopping,
    Succeeded,
    Failed,
    Cancelled,
    /// The task that undoes it runs.
    #[serde(rename = "undoing")]
    Compensating,
    #[serde(rename = "undone")]
    Compensated,
    #[serde(rename = "notundone")]
    CompensationFailed,
}

impl ItemState {
    pub(crate) fn is_end(self) -> bool {
        use ItemState::*;
        matches!(self, Succeeded | Failed | Cancelled | Compensated | CompensationFailed)
    }
}

impl Item {
    /// One that waits, with its input.
    pub(crate) fn new(input: Value) -> Self {
        Self {
            state: ItemState::Waiting,
            attempt: 0,
            due: None,
            deadline: None,
            progress: 0.0,
            round: 0,
            undone_again: 0,
            note: None,
            reason: None,
            asking: None,
            href: None,
            fetched: false,
            input: Some(input),
            output: None,
        }
    }

    /// Fails, for this reason.
    pub(crate) fn fail(&mut self, error: TaskError) {
        self.reason = Some(error.reason);
        self.enter(ItemState::Failed, Some(error.message));
    }

    /// Enters a state that has no time limit; keeps its note unless there is a new one.
    pub(crate) fn enter(&mut self, state: ItemState, note: Option<String>) {
        (self.state, self.due, self.deadline) = (state, None, None);
        if note.is_some() {
            self.note = note;
        }
    }
}

impl StepRun {
    /// One that has not started.
    pub(crate) fn waiting() -> Self {
        Self { state: StepState::Waiting, note: None, rejected: false, end_order: 0, items: Vec::new() }
    }

    /// True once it has ended; a step that is undone has.
    pub(crate) fn is_over(&self) -> bool {
        !matches!(self.state, StepState::Waiting | StepState::Running | StepState::Asked)
    }

    pub(crate) fn has_item(&self, state: ItemState) -> bool {
        self.items.iter().any(|item| item.state == state)
    }
}

/// The position of an item in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ItemIndex {
    pub(crate) step: usize,
    pub(crate) item: usize,
}

/// The two operations that a step defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Execute,
    Compensate,
}

impl Run {
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    pub(crate) fn item(&self, index: ItemIndex) -> &Item {
        &self.steps[index.step].items[index.item]
    }

    pub(crate) fn item_mut(&mut self, index: ItemIndex) -> &mut Item {
        &mut self.steps[index.step].items[index.item]
    }

    pub(crate) fn step_definition(&self, step: usize) -> &StepDefinition {
        &self.definition.steps[step]
    }

    /// The id of an item's task: the same in every process, and never one that a user can choose.
    pub(crate) fn task_id(&self, index: ItemIndex, attempt: u32, operation: Operation) -> TaskId {
        let operation = match operation {
            Operation::Execute => "do",
            Operation::Compensate => "undo",
        };
        let key = format!("{}/{}/{operation}/{attempt}", self.step_definition(index.step).id, index.item);
        TaskId::derived(&self.environment, &format!("run {}", self.id), &key)
    }

    /// The backlog of an item's job: the owner's earlier tasks, and the jobs of the items before it that have not ended.
    pub(crate) fn backlog_before(&self, index: ItemIndex) -> u32 {
        use ItemState::{Compensating, Retrying, Running, Stopping};
        let is_before = |other: &ItemIndex| (other.step, other.item) < (index.step, index.item);
        let is_job = |other: &ItemIndex| self.step_definition(other.step).step_type() == StepType::Job;
        let is_unfinished =
            |other: &ItemIndex| matches!(self.item(*other).state, Running | Retrying | Stopping | Compensating);
        let items = self.all_items().into_iter();
        let before = items.filter(is_before).filter(is_job).filter(is_unfinished).count();
        self.backlog.saturating_add(u32::try_from(before).unwrap_or(u32::MAX))
    }

    /// The operation that an item is at now.
    pub(crate) fn operation(&self, index: ItemIndex) -> Operation {
        match self.item(index).state {
            ItemState::Compensating => Operation::Compensate,
            _ => Operation::Execute,
        }
    }

    /// The id of the task that an item has now.
    pub(crate) fn current_task(&self, index: ItemIndex) -> TaskId {
        self.task_id(index, self.item(index).attempt, self.operation(index))
    }

    /// Finds the item and the attempt that a task belongs to.
    pub(crate) fn find(&self, task: TaskId) -> Option<(ItemIndex, u32)> {
        let jobs = self.all_items().into_iter().filter(|index| {
            self.step_definition(index.step).step_type() == StepType::Job && !self.item(*index).state.is_end()
        });
        for index in jobs {
            let (operation, last) = (self.operation(index), self.item(index).attempt);
            let first = if operation == Operation::Compensate { last } else { 1 };
            if let Some(attempt) = (first..=last).find(|attempt| self.task_id(index, *attempt, operation) == task) {
                return Some((index, attempt));
            }
        }
        None
    }

    pub(crate) fn all_items(&self) -> Vec<ItemIndex> {
        let steps = self.steps.iter().enumerate();
        steps.flat_map(|(step, run)| (0..run.items.len()).map(move |item| ItemIndex { step, item })).collect()
    }

    /// The next time at which something is due without an event; `None` once it is over.
    pub(crate) fn due(&self) -> Option<i64> {
        let items = self.steps.iter().flat_map(|step| &step.items);
        items.filter(|item| !item.state.is_end()).flat_map(|item| [item.due, item.deadline]).flatten().min()
    }
}

/// The kind of the job that starts a run.
pub(crate) fn workflows_kind() -> Kind {
    WORKFLOWS.parse().expect("it is a kind's name")
}
