//! One import, from its input to its output.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use model::{Kind, toast::Level};
use runtime::{
    Completion, Context, DatabaseConfig, Failure, Function, Policies, Schedule,
    catalogue::Offer,
    definitions::{self, Current, Faults},
};
use serde::Serialize;

use crate::{
    config::ImportsConfig,
    definition::{
        folder::{Definitions, SETTING},
        request::{ImportRequest, Resolver},
        spec::ImportSpec,
    },
    input::Input,
    output::{self, Imported},
    preview::{self, Preview, SheetPreviews},
    read::{
        source::{FileSource, Progress},
        unpack::UnpackLimit,
        values::{ValueCount, ValueLimit},
    },
    schema::{
        limits::Limits,
        plan::{Layout, Plan},
        sheet_plans::OpenedWorkbook,
    },
    write::{
        database::TableDatabase,
        job::{LoadAgain, LoadJob, LoadOutcome, TableLoad},
        quota::{Quota, WrittenBytes},
        rejected::RejectedRowsWriter,
    },
};

/// The imports function: a file of any size into a table.
pub struct Imports {
    config: ImportsConfig,
    known: Current<Known>,
    database: TableDatabase,
}

/// What the definitions say.
struct Known {
    definitions: Definitions,
    schedules: Vec<Schedule>,
    policies: Policies,
}

impl Known {
    fn read(config: &ImportsConfig) -> Result<Self, Faults> {
        let definitions = Definitions::read(&config.definitions)?;
        let offers = definitions.offers();
        let schedules = definitions::schedules(SETTING, &config.definitions, &offers)?;
        let policies = definitions::policies(SETTING, &config.definitions, &offers)?;
        Ok(Self { definitions, schedules, policies })
    }
}

/// The result of an import, or of a look at its file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// The file is imported.
    Imported(Imported),
    /// Nothing is imported.
    Preview(Box<Preview>),
    /// Nothing is imported of these sheets.
    Previews(SheetPreviews),
}

fn imported(imported: Imported) -> Completion<Outcome> {
    let Completion { output, toast } = output::completion(imported);
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
    Definitions(#[from] Faults),
}

impl Imports {
    /// Imports into this database by the definitions in their folder; nothing is connected yet. Called within a Tokio
    /// runtime.
    pub fn open(config: ImportsConfig, database: &DatabaseConfig) -> Result<Self, OpenError> {
        let known = Current::open(&config.definitions, &["toml"], || Known::read(&config))?;
        Ok(Self { config, known, database: TableDatabase::open(database)? })
    }

    fn limits(&self) -> Limits {
        Limits {
            unpack: UnpackLimit { max_bytes: self.config.unpacked_limit },
            columns: self.database.column_limit(),
            values: ValueLimit { max_bytes: self.config.value_limit },
        }
    }

    /// Plans each table that is asked for.
    async fn plan(&self, context: &Context, input: Input) -> Result<Planned, Failure> {
        let file = input.file.clone();
        let known = self.known.get();
        let resolver = Resolver::new(input, &known.definitions, &self.config, context)?;
        let limits = self.limits();
        let (sheets, workbook, mut notes) = match resolver.request()? {
            ImportRequest::Table(spec) => {
                let spec: Arc<ImportSpec> = Arc::from(spec);
                let plan = Plan::from_sample(context, &spec, limits).await?;
                let tables = vec![TableLoad { spec, plan, in_batches: false }];
                return Ok(Planned { tables, are_sheets: false, notes: Vec::new() });
            }
            ImportRequest::Sheets(sheets) => (sheets, OpenedWorkbook::open(context, &file, limits).await?, Vec::new()),
            ImportRequest::EachSheet => {
                let workbook = OpenedWorkbook::open(context, &file, limits).await?;
                let (names, others) = workbook.sheets_with_values().await?;
                let notes = left_out(&others);
                (resolver.each(&names)?, workbook, notes)
            }
        };
        let plans = workbook.plan(sheets, limits).await?;
        notes.extend(plans.notes);
        let tables = plans.tables.into_iter().map(|(spec, plan)| TableLoad { spec, plan, in_batches: false });
        Ok(Planned { tables: tables.collect(), are_sheets: true, notes })
    }

    /// Reads the file once, from its beginning, into its tables.
    async fn load(&self, context: &Context, planned: &Planned, started: Instant) -> Result<LoadOutcome, Failure> {
        let Planned { tables, are_sheets, notes } = planned.clone();
        let TableLoad { spec, plan, .. } = &tables[0];
        let value_limit = ValueLimit { max_bytes: self.config.value_limit };
        let (mut rows, mut transfer) = (None, None);
        if let Layout::Text(layout) = &plan.layout {
            let progress = Progress::new(context.progress_handle(), 0, 1);
            let (file, transferring) = FileSource::open(context, &spec.file, Some(progress)).await?;
            rows = Some(layout.open(Box::new(file), &plan.mapping, spec, self.limits()));
            transfer = Some(transferring);
        }
        let job = LoadJob {
            task: context.task,
            rejected: RejectedRowsWriter::new(context, spec, self.config.rejected_bytes),
            values: ValueCount::new(value_limit, plan.bytes),
            tables,
            are_sheets,
            at: 0,
            rows,
            progress: context.progress_handle(),
            quota: Quota { bytes: self.config.quota_per_user, tables: self.config.tables_per_user },
            written: WrittenBytes::default(),
            learned: Vec::new(),
            loaded: Vec::new(),
            notes,
            stop: context.stop.clone(),
            started,
        };
        let transfer = async {
            if let Some(transfer) = transfer {
                transfer.await;
            }
        };
        self.database.load(job, transfer).await
    }
}

impl Imports {
    /// Shows how each table would be read.
    async fn preview(&self, context: &Context, planned: Planned) -> Result<Completion<Outcome>, Failure> {
        let Planned { tables, are_sheets, notes } = planned;
        let mut previews = Vec::with_capacity(tables.len());
        for TableLoad { spec, plan, .. } in tables {
            previews.push(preview::preview(context, &spec, plan, self.limits()).await?);
        }
        let toast = preview::toast(&previews);
        let output = match previews.pop() {
            Some(preview) if !are_sheets => Outcome::Preview(Box::new(preview)),
            last => {
                previews.extend(last);
                Outcome::Previews(SheetPreviews { sheets: previews, notes })
            }
        };
        Ok(Completion { output, toast })
    }
}

/// What is imported of a file.
#[derive(Clone)]
struct Planned {
    /// At least one.
    tables: Vec<TableLoad>,
    /// Set if sheets were asked for, be it only one.
    are_sheets: bool,
    notes: Vec<String>,
}

/// What is said of the sheets that are not among those with values.
fn left_out(sheets: &[String]) -> Vec<String> {
    let names: Vec<_> = sheets.iter().take(20).map(|name| format!("{name:?}")).collect();
    let note = || format!("without the sheets that are empty or hidden: {}", names.join(", "));
    (!sheets.is_empty()).then(note).into_iter().collect()
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
        self.known.get().definitions.offers()
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

    fn deadline(&self) -> Duration {
        self.config.deadline
    }

    async fn run(&self, context: &Context, input: Input) -> Result<Completion<Outcome>, Failure> {
        let mut started = Instant::now();
        if let Some(output) = self.database.earlier_output(context.task).await? {
            return Ok(imported(output));
        }
        let is_preview = input.preview;
        context.log(Level::Info, format!("Reading {}.", input.file.name()));
        let mut planned = self.plan(context, input).await?;
        if is_preview {
            return self.preview(context, planned).await;
        }
        loop {
            match self.load(context, &planned, started).await? {
                LoadOutcome::Done(output) => {
                    output.log_lines().into_iter().for_each(|(level, line)| context.log(level, line));
                    return Ok(imported(output));
                }
                LoadOutcome::Again { table, why, started: moved } => {
                    match why {
                        // Each time a type gets wider or a column is added, of which there are few, so this ends.
                        LoadAgain::TypesChanged(mappings) => {
                            context.log(
                                Level::Info,
                                "A value fits no type that the rows before it have; reading from the beginning.",
                            );
                            for (table, mapping) in mappings {
                                planned.tables[table].plan.mapping = mapping;
                            }
                        }
                        // Once, and what is refused then is rejected. The tables after this one are loaded so as well: they
                        // were not tried, and each that refused a row would begin all anew.
                        LoadAgain::RowsRefused => {
                            context.log(Level::Info, "The database refused a row; loading in batches, to find which.");
                            planned.tables[table..].iter_mut().for_each(|table| table.in_batches = true);
                        }
                    }
                    started = moved;
                }
            }
        }
    }
}
