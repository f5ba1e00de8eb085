//! One import, from its input to its output.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use model::Kind;
use runtime::{
    Completion, Context, DatabaseConfig, Failure, Function, Policies, Schedule, catalogue::Offer, definitions,
};
use serde::Serialize;

use crate::{
    config::ImportsConfig,
    definition::{
        folder::{Definitions, SETTING},
        spec::ImportSpec,
    },
    input::Input,
    output::{self, Output},
    preview::{self, Preview},
    read::{source::FileSource, unpack::UnpackLimit, values::ValueLimit},
    schema::{
        limits::Limits,
        plan::{Layout, Plan},
    },
    write::{
        database::TableDatabase,
        load::{LoadJob, LoadOutcome, RowSource},
        quota::{Quota, WrittenBytes},
        rejected::RejectedRowsWriter,
    },
};

/// The imports function: a file of any size into a table.
pub struct Imports {
    config: ImportsConfig,
    definitions: Definitions,
    schedules: Vec<Schedule>,
    policies: Policies,
    database: TableDatabase,
}

/// The result of an import, or of a look at its file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// The file is imported.
    Imported(Output),
    /// Nothing is imported.
    Preview(Preview),
}

fn imported(output: Output) -> Completion<Outcome> {
    let Completion { output, toast } = output::completion(output);
    Completion { output: Outcome::Imported(output), toast }
}

/// A wrong setting or definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The address is no database.
    #[error(transparent)]
    Database(#[from] runtime::database::OpenError),
    /// A definition is wrong.
    #[error(transparent)]
    Definitions(#[from] runtime::definitions::Faults),
}

impl Imports {
    /// Imports into this database by the definitions that are in their folder now; nothing is connected yet. Called
    /// within a Tokio runtime.
    pub fn open(config: ImportsConfig, database: &DatabaseConfig) -> Result<Self, OpenError> {
        let definitions = Definitions::read(&config.definitions)?;
        let offers = definitions.offers();
        let schedules = definitions::schedules(SETTING, &config.definitions, &offers)?;
        let policies = definitions::policies(SETTING, &config.definitions, &offers)?;
        Ok(Self { config, definitions, schedules, policies, database: TableDatabase::open(database)? })
    }

    fn limits(&self) -> Limits {
        Limits {
            unpack: UnpackLimit { max_bytes: self.config.unpacked_limit },
            columns: self.database.column_limit(),
            values: ValueLimit { max_bytes: self.config.value_limit },
        }
    }

    /// Reads the file once, from its beginning, into the table.
    async fn load(
        &self,
        context: &Context,
        spec: &Arc<ImportSpec>,
        plan: Plan,
        (started, in_batches): (Instant, bool),
    ) -> Result<LoadOutcome, Failure> {
        let job = |plan: Plan, source| LoadJob {
            task: context.task,
            spec: spec.clone(),
            plan,
            source,
            in_batches,
            values: ValueLimit { max_bytes: self.config.value_limit },
            quota: Quota { bytes: self.config.quota_per_user, tables: self.config.tables_per_user },
            written: WrittenBytes::default(),
            rejected: RejectedRowsWriter::new(context, self.config.rejected_bytes),
            stop: context.stop.clone(),
            started,
        };
        let layout = match &plan.layout {
            Layout::Sheet(workbook) => {
                let source = RowSource::Sheet(workbook.clone(), context.progress_handle());
                return self.database.load(job(plan, source), async {}).await;
            }
            Layout::Text(layout) => *layout,
        };
        let (file, transfer) = FileSource::open(context, &spec.file, Some(context.progress_handle())).await?;
        let source = RowSource::Text(layout.open(Box::new(file), &plan.mapping, spec, self.limits()));
        self.database.load(job(plan, source), transfer).await
    }
}

#[async_trait]
impl Function for Imports {
    type Input = Input;
    type Output = Outcome;

    fn kind(&self) -> Kind {
        "imports".parse().expect("it is a kind's name")
    }

    fn title(&self) -> String {
        "Import".to_owned()
    }

    fn offers(&self) -> Vec<Offer> {
        self.definitions.offers()
    }

    fn schedules(&self) -> Vec<Schedule> {
        self.schedules.clone()
    }

    fn policies(&self) -> Policies {
        self.policies.clone()
    }

    fn deadline(&self) -> Duration {
        self.config.deadline
    }

    async fn run(&self, context: &Context, input: Input) -> Result<Completion<Outcome>, Failure> {
        let mut started = Instant::now();
        if let Some(output) = self.database.earlier_output(context.task).await? {
            return Ok(imported(output));
        }
        let is_preview = input.preview;
        let spec = Arc::new(ImportSpec::resolve(input, &self.definitions, &self.config, context)?);
        let mut plan = Plan::from_sample(context, &spec, self.limits()).await?;
        if is_preview {
            let Completion { output, toast } = preview::preview(context, &spec, plan, self.limits()).await?;
            return Ok(Completion { output: Outcome::Preview(output), toast });
        }
        let mut in_batches = false;
        loop {
            match self.load(context, &spec, plan.clone(), (started, in_batches)).await? {
                LoadOutcome::Done(output) => return Ok(imported(output)),
                // Each time a type gets wider or a column is added, of which there are few, so this ends.
                LoadOutcome::TypesChanged { mapping, started: moved } => {
                    plan.mapping = mapping;
                    started = moved;
                }
                // Once, and what is refused then is rejected.
                LoadOutcome::RowsRefused { started: moved } => {
                    in_batches = true;
                    started = moved;
                }
            }
        }
    }
}
