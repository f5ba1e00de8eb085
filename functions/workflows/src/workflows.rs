//! The workflows function: its job starts a run, and its engine advances it.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use async_trait::async_trait;
use backplane::follow::FollowItem;
use model::{Kind, TaskId, Toast, catalogue::Offer, toast::Level};
use runtime::{
    Completion, Context, DatabaseError, Failure, Function, Policies, Schedule, WorkerContext,
    database::Transaction,
    definitions::{self, Current, Faults},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    config::WorkflowsConfig,
    definition::{Definitions, MAX_DEPTH, SETTING, document::Definition, input},
    engine::{self, EventQueue, store},
    run::state::{Phase, RULES, Run, StepRun, workflows_kind},
};

/// The input of the job that starts a run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The workflow: the name of its file without `.toml`.
    pub workflow: String,
    /// The values of its inputs.
    #[serde(default)]
    pub input: Map<String, Value>,
}

/// The workflows function.
pub struct Workflows {
    config: WorkflowsConfig,
    known: Current<Known>,
    events: EventQueue,
    /// Wakes the engine.
    run_started: Notify,
}

/// What the definitions say.
struct Known {
    definitions: Definitions,
    schedules: Vec<Schedule>,
    policies: Policies,
}

impl Known {
    fn read(config: &WorkflowsConfig) -> Result<Self, Faults> {
        let definitions = Definitions::read(&config.definitions, &config.kinds)?;
        let offers: Vec<_> = definitions.all().map(input::offer).collect();
        let schedules = definitions::schedules(SETTING, &config.definitions, &offers)?;
        let policies = definitions::policies(SETTING, &config.definitions, &offers)?;
        Ok(Self { definitions, schedules, policies })
    }
}

impl Workflows {
    /// Reads and checks all definitions.
    pub fn open(config: WorkflowsConfig) -> Result<Self, Faults> {
        let known = Current::open(&config.definitions, &["toml"], || Known::read(&config))?;
        Ok(Self { config, known, events: EventQueue::default(), run_started: Notify::new() })
    }

    /// The folder of the definitions; empty if there is none.
    pub fn folder(&self) -> &PathBuf {
        &self.config.definitions
    }

    fn definition(&self, name: &str) -> Result<Arc<Definition>, Failure> {
        let known = self.known.get();
        known.definitions.get(name).cloned().ok_or_else(|| {
            let shown: String = name.chars().take(64).collect();
            let known: Vec<_> = known.definitions.all().map(|definition| definition.name.as_str()).collect();
            let known = if known.is_empty() { "no workflow at all".to_owned() } else { known.join(", ") };
            Failure::input(format!("workflow: there is no {shown:?}; there is {known}"))
        })
    }
}

/// A run that has not started.
fn new_run(context: &Context, definition: Arc<Definition>, input: Map<String, Value>) -> Run {
    Run {
        id: context.task,
        environment: context.environment.clone(),
        title: context.title.clone(),
        owner: context.owner.clone(),
        groups: context.groups.clone(),
        backlog: context.backlog,
        priority: context.priority,
        parent: context.parent,
        depth: 0,
        grant: context.grant.clone(),
        traceparent: context.traceparent.clone(),
        created: jiff::Timestamp::now(),
        input,
        attempt: context.attempt,
        sequence: 0,
        revision: 0,
        published_at: 0,
        has_unpublished: true,
        phase: Phase::Running,
        cancelled: false,
        failure: None,
        ended_steps: 0,
        said: Default::default(),
        rules: RULES,
        steps: definition.steps.iter().map(|_| StepRun::waiting()).collect(),
        definition,
    }
}

/// Saves a new run; only once, however often its job is done.
fn start(transaction: &mut dyn Transaction, mut run: Run) -> Result<(), Failure> {
    if let Some(parent) = run.parent
        && let Some(parent) = store::load(transaction, parent)?
    {
        run.depth = parent.depth + 1;
    }
    if run.depth >= MAX_DEPTH {
        return Err(Failure::input(format!("workflows start each other more than {MAX_DEPTH} deep")));
    }
    if !store::insert(transaction, &run)? {
        raise_attempt(transaction, run.id, run.attempt)?;
    }
    Ok(())
}

/// Raises a run's attempt to that of its job, whose host may have published a later one.
fn raise_attempt(transaction: &mut dyn Transaction, id: TaskId, attempt: u32) -> Result<(), DatabaseError> {
    let Some(before) = store::load(transaction, id)?.filter(|run| !run.is_over()) else {
        return Ok(());
    };
    let run = Run { attempt: before.attempt.max(attempt), has_unpublished: true, ..before.clone() };
    store::save(transaction, (&before, &run), Some(0), None)
}

#[async_trait]
impl Function for Workflows {
    type Input = Input;
    type Output = Value;

    fn kind(&self) -> Kind {
        workflows_kind()
    }

    fn title(&self) -> String {
        "Workflows".to_owned()
    }

    fn offers(&self) -> Vec<Offer> {
        self.known.get().definitions.all().map(input::offer).collect()
    }

    fn schedules(&self) -> Vec<Schedule> {
        self.known.get().schedules.clone()
    }

    fn policies(&self) -> Policies {
        self.known.get().policies.clone()
    }

    fn reread(&self) -> Option<Result<(), Faults>> {
        self.known.reread(|| Known::read(&self.config))
    }

    fn completes_in_background(&self) -> bool {
        true
    }

    async fn run(&self, context: &Context, input: Input) -> Result<Completion<Value>, Failure> {
        let definition = self.definition(&input.workflow)?;
        if !context.is_allowed(&definition.allow) {
            let message = format!("{} may be started by {} only", definition.name, definition.allow.join(", "));
            return Err(Failure::Permanent { reason: "forbidden", message });
        }
        let values = input::read(&definition, input.input).map_err(Failure::input)?;
        let database = context.database()?;
        let (run, stop) = (new_run(context, definition, values), context.stop.clone());
        let started = database.transaction_with(&store::TABLES, move |transaction| {
            start(transaction, run)?;
            if stop.is_cancelled() { Err(Failure::Stopped) } else { Ok(()) }
        });
        started.await?;
        self.run_started.notify_one();
        let toast = Toast::new(Level::Info, format!("{} has begun", context.title));
        Ok(Completion { output: json!({}), toast })
    }

    async fn background(&self, worker: &WorkerContext, stop: CancellationToken) -> anyhow::Result<()> {
        let database = worker.database.clone();
        let database =
            database.context("workflows keep their runs in a database: set database.url (BELLWIRE_DATABASE__URL)")?;
        tokio::select! {
            () = stop.cancelled() => {}
            () = engine::run(worker.clone(), database, &self.config, &self.events, &self.run_started) => {}
        }
        Ok(())
    }

    async fn on_log_item(&self, item: &FollowItem) {
        self.events.push(item).await;
    }
}
