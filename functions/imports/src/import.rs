//! One import, from its input to its result.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use backplane::Kind;
use runtime::{Completion, Context, Failure, Function};

use crate::{
    config::{DatabaseConfig, ImportsConfig},
    database::{Database, OpenError},
    input::{Input, Mode},
    load::{Load, Loaded},
    outcome::{self, Output},
    plan::Plan,
    records::Records,
    rejected::Rejected,
    source::{self, Source},
    text::Text,
};

/// The imports function: a CSV or TSV of any size into a table.
pub struct Imports {
    config: ImportsConfig,
    database: Database,
}

impl Imports {
    /// Imports into this database; nothing is connected yet.
    pub fn open(config: ImportsConfig, database: &DatabaseConfig) -> Result<Self, OpenError> {
        Ok(Self { config, database: Database::open(database)? })
    }

    async fn load(&self, context: &Context, input: &Input, plan: Plan, started: Instant) -> Result<Loaded, Failure> {
        let download = source::open(context, &input.file).await?;
        let (source, bringing) = Source::file(download, context);
        let records = Records::new(Text::new(source, plan.encoding), plan.delimiter.0, false);
        let load = Load {
            task: context.task,
            input: input.clone(),
            plan,
            records,
            rejected: Rejected::new(context, self.config.rejected_limit),
            stop: context.stop.clone(),
            started,
        };
        self.database.load(load, bringing).await
    }
}

#[async_trait]
impl Function for Imports {
    type Input = Input;
    type Output = Output;

    fn kind(&self) -> Kind {
        "imports".parse().expect("it is a kind's name")
    }

    fn deadline(&self) -> Duration {
        self.config.deadline
    }

    async fn run(&self, context: &Context, input: Input) -> Result<Completion<Output>, Failure> {
        let started = Instant::now();
        if input.mode == Mode::Upsert {
            return Err(Failure::input("mode: upsert is not offered yet; use replace or append"));
        }
        if let Some(output) = self.database.recorded(context.task).await? {
            return Ok(outcome::completion(output));
        }
        let mut plan = Plan::make(context, &input).await?;
        loop {
            match self.load(context, &input, plan.clone(), started).await? {
                Loaded::Done(output) => return Ok(outcome::completion(output)),
                // Each time a type becomes wider, of which there are few, so this ends.
                Loaded::Misfit(columns) => plan.columns = columns,
            }
        }
    }
}
