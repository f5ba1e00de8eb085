//! One report, from its input to its result.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use model::Kind;
use runtime::{
    Completion, Context, DatabaseConfig, Failure, Function, WorkerContext, catalogue::Offer, definitions::Faults,
    thread,
};
use storage::StoredFile;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    broken,
    config::ReportsConfig,
    database::{Database, Reading},
    definition::{Definition, Query},
    expiry, folder,
    input::{Format, Input},
    offer,
    outcome::{self, Output},
    upload,
    writing::{self, Writing},
};

/// The reports function: a query that lies in a file, into a file for its reader.
pub struct Reports {
    config: ReportsConfig,
    database: Database,
    definitions: BTreeMap<String, Arc<Definition>>,
}

/// Why there can be no reports; it never holds a database's address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The address of the database.
    #[error("{setting}: {why}")]
    Database {
        /// The setting, with its variable.
        setting: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// What is wrong with the definitions, all of it.
    #[error(transparent)]
    Definitions(#[from] Faults),
}

impl Reports {
    /// Reports from this database, or from that of `reports.database_url`; its definitions are read and checked, and
    /// nothing is connected yet.
    pub fn open(config: ReportsConfig, database: &DatabaseConfig) -> Result<Self, OpenError> {
        let (setting, database) = match config.database_url.as_str() {
            "" => ("database.url (BELLWIRE_DATABASE__URL)", database.clone()),
            url => ("reports.database_url (BELLWIRE_REPORTS__DATABASE_URL)", DatabaseConfig { url: url.to_owned() }),
        };
        let database = Database::open(&database).map_err(|why| OpenError::Database { setting, why })?;
        let definitions = folder::read(&config.definitions)?;
        let definitions = definitions.into_iter().map(|(name, definition)| (name, Arc::new(definition))).collect();
        Ok(Self { config, database, definitions })
    }

    fn definition(&self, context: &Context, name: &str) -> Result<Arc<Definition>, Failure> {
        // Who may not have it is not told that it is there.
        let found = self.definitions.get(name).filter(|definition| context.is_allowed(&definition.allow));
        found.cloned().ok_or_else(|| {
            let name: String = name.chars().take(64).collect();
            Failure::input(format!("report: there is no report {name:?} that you may have"))
        })
    }

    /// Has the query read, its rows written and the file uploaded, all three at once.
    async fn make(
        &self,
        context: &Context,
        definition: &Arc<Definition>,
        query: Query,
        format: Format,
    ) -> Result<(u64, StoredFile), Failure> {
        let key = expiry::key(context.task, definition, format);
        let put = context.files.put(key).await.map_err(upload::failure)?.limit(self.config.byte_limit);
        let (rows, waiting) = mpsc::channel(writing::WAITING);
        let (outlet, inlet) = upload::way(context.stop.clone());
        let writing = Writing {
            definition: definition.clone(),
            format,
            row_limit: self.config.row_limit,
            byte_limit: self.config.byte_limit,
            progress: context.progress_handle(),
        };
        let (timeout, stop) = (self.config.statement_timeout, context.stop.clone());
        let (read, written, uploaded) = tokio::join!(
            self.database.read(Reading { query, timeout, stop, rows }),
            thread::run(move || writing.write(waiting, outlet)),
            upload::upload(inlet, put),
        );
        if let (Ok(()), Ok(rows), Ok(file)) = (&read, &written, &uploaded) {
            return Ok((*rows, file.clone()));
        }
        // Whatever each of the three then says: a workbook's writer has its own words for a way that is cut off.
        if context.stop.is_cancelled() {
            return Err(Failure::Stopped);
        }
        let failure = broken::first([read, written.map(drop), uploaded.map(drop)]);
        Err(failure.err().unwrap_or(Failure::Stopped))
    }
}

#[async_trait]
impl Function for Reports {
    type Input = Input;
    type Output = Output;

    fn kind(&self) -> Kind {
        "reports".parse().expect("it is a kind's name")
    }

    fn title(&self) -> String {
        "Reports".to_owned()
    }

    fn offers(&self) -> Vec<Offer> {
        self.definitions.values().map(|definition| offer::of(definition)).collect()
    }

    fn deadline(&self) -> Duration {
        self.config.deadline
    }

    async fn run(&self, context: &Context, input: Input) -> Result<Completion<Output>, Failure> {
        let started = Instant::now();
        let definition = self.definition(context, &input.report)?;
        let format = definition.format(input.format)?;
        let query = definition.query(&input.parameters)?;
        let (rows, file) = self.make(context, &definition, query, format).await?;
        Ok(outcome::completion(&definition, format, rows, &file, started, self.config.keep))
    }

    async fn background(&self, worker: &WorkerContext, stop: CancellationToken) -> anyhow::Result<()> {
        expiry::sweep(worker, self.config.keep, stop).await;
        Ok(())
    }
}
