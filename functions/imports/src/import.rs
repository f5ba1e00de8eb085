//! One import, from its input to its result.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use model::Kind;
use runtime::{Completion, Context, DatabaseConfig, Failure, Function, catalogue::Offer};

use crate::{
    config::ImportsConfig,
    database::Tables,
    definitions::Definitions,
    input::Input,
    json_lines::JsonLines,
    load::{Content, Load, Loaded},
    order::Order,
    outcome::{self, Output},
    plan::{self, Layout, Limits, Plan},
    records::Records,
    rejected::Rejected,
    source::{self, Source},
    stopwatch::Stopwatch,
    text::Text,
    unpack::{self, UnpackLimit},
};

/// The imports function: a file of any size into a table.
pub struct Imports {
    config: ImportsConfig,
    definitions: Definitions,
    tables: Tables,
}

/// Why there is nothing to import with or into.
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
    /// within a runtime.
    pub fn open(config: ImportsConfig, database: &DatabaseConfig) -> Result<Self, OpenError> {
        let definitions = Definitions::read(&config.definitions)?;
        Ok(Self { config, definitions, tables: Tables::open(database)? })
    }

    fn limits(&self) -> Limits {
        Limits { unpack: UnpackLimit { most: self.config.unpacked_limit }, width: self.tables.width() }
    }

    async fn load(
        &self,
        context: &Context,
        order: &Arc<Order>,
        plan: Plan,
        stopwatch: &Stopwatch,
    ) -> Result<Loaded, Failure> {
        let load = |plan: Plan, content| Load {
            task: context.task,
            order: order.clone(),
            plan,
            content,
            rejected: Rejected::new(context, self.config.rejected_limit),
            stop: context.stop.clone(),
            stopwatch: stopwatch.clone(),
        };
        let (packed, encoding) = match &plan.layout {
            Layout::Sheet(book) => {
                let content = Content::Sheet(book.clone(), context.progress_handle());
                return self.tables.load(load(plan, content), async {}).await;
            }
            Layout::Delimited { packed, encoding, .. } | Layout::Json { packed, encoding } => (*packed, *encoding),
        };
        let download = source::open(context, &order.file).await?;
        let (source, bringing) = Source::file(download, context);
        let limits = self.limits();
        let text = Text::new(unpack::unpacked(Box::new(source), packed, limits.unpack), encoding);
        let content = match &plan.layout {
            Layout::Delimited { delimiter, .. } => Content::Delimited(Box::new(Records::new(text, delimiter.0, false))),
            Layout::Json { .. } | Layout::Sheet(_) => {
                let names = plan.columns.fields.iter().map(|column| column.field.clone()).collect();
                let unknown = plan::unknown_keys(order, limits.width);
                Content::Json(Box::new(JsonLines::new(text, names, unknown, false)))
            }
        };
        self.tables.load(load(plan, content), bringing).await
    }
}

#[async_trait]
impl Function for Imports {
    type Input = Input;
    type Output = Output;

    fn kind(&self) -> Kind {
        "imports".parse().expect("it is a kind's name")
    }

    fn title(&self) -> String {
        "Import".to_owned()
    }

    fn offers(&self) -> Vec<Offer> {
        self.definitions.offers()
    }

    fn deadline(&self) -> Duration {
        self.config.deadline
    }

    async fn run(&self, context: &Context, input: Input) -> Result<Completion<Output>, Failure> {
        let stopwatch = Stopwatch::start();
        if let Some(output) = self.tables.recorded(context.task).await? {
            return Ok(outcome::completion(output));
        }
        let order = Arc::new(Order::of(input, &self.definitions, &self.config.tables, context)?);
        let mut plan = Plan::make(context, &order, self.limits()).await?;
        loop {
            match self.load(context, &order, plan.clone(), &stopwatch).await? {
                Loaded::Done(output) => return Ok(outcome::completion(output)),
                // Each time a type becomes wider or a column comes to it, of which there are few, so this ends.
                Loaded::Misfit(columns) => plan.columns = columns,
            }
        }
    }
}
