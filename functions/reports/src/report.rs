//! The reports function: one report from its input to its result.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use delivery::{Delivery, Ledger, Recipients};
use jiff::tz::TimeZone;
use model::{Kind, toast::Level};
use runtime::{
    Completion, Context, Database, DatabaseConfig, DatabaseError, Failure, Function, Policies, Schedule, WorkerContext,
    catalogue::Offer,
    database,
    definitions::{self, Current, Faults, Scheduled},
    thread,
};
use storage::{StorageError, StoredFile};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    about::{About, WrittenSheet},
    config::ReportsConfig,
    definition::{folder, report_definition::ReportDefinition},
    expiry,
    input::Input,
    number::row_count,
    order::Order,
    output::{self, Made, Output, Sent},
    query::{
        self,
        bound_report::BoundReport,
        role::{self, UnneededRight},
        run::QueryRun,
        value::Display,
    },
    upload,
    write::{
        file_writer::{FileWriter, Limits},
        pdf::font::FontFiles,
    },
};

/// Batches of rows that wait between the query and the file.
const WAITING_BATCHES: usize = 4;

/// The reports function: runs the queries of a folder and writes their rows into files.
pub struct Reports {
    config: ReportsConfig,
    database: Database,
    known: Current<Known>,
    delivery: Delivery,
    /// The zone of definitions that name none.
    zone: TimeZone,
    fonts: Arc<FontFiles>,
}

/// What the definitions say.
struct Known {
    definitions: BTreeMap<String, Arc<ReportDefinition>>,
    schedules: Vec<Scheduled<Recipients>>,
    policies: Policies,
}

impl Known {
    fn read(config: &ReportsConfig, delivery: &Delivery) -> Result<Self, Faults> {
        let definitions = folder::read(&config.definitions)?;
        let offers: Vec<_> = definitions.values().map(|definition| definition.offer()).collect();
        let faults = |recipients: &Recipients| delivery.faults(recipients);
        let schedules = definitions::delivered_schedules(folder::SETTING, &config.definitions, &offers, faults)?;
        let policies = definitions::policies(folder::SETTING, &config.definitions, &offers)?;
        Ok(Self { definitions, schedules, policies })
    }
}

/// A wrong setting or definition. It never holds a database's address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The address of the database.
    #[error(transparent)]
    Database(#[from] database::OpenError),
    /// All faults of the definitions.
    #[error(transparent)]
    Definitions(#[from] Faults),
    /// The time zone.
    #[error("reports.time_zone (BELLWIRE_REPORTS__TIME_ZONE): {0:?} is no time zone, such as Europe/Berlin")]
    TimeZone(String),
    /// A file of a font.
    #[error("reports.pdf_fonts (BELLWIRE_REPORTS__PDF_FONTS): {0}")]
    Font(String),
}

impl Reports {
    /// Reads and checks the definitions without connecting; called within a Tokio runtime. Queries run on
    /// `reports.database_url`, or on `database` where that is empty.
    pub fn open(config: ReportsConfig, database: &DatabaseConfig, delivery: Delivery) -> Result<Self, OpenError> {
        let (setting, url) = match config.database_url.as_str() {
            "" => ("database.url (BELLWIRE_DATABASE__URL)", database.url.as_str()),
            url => ("reports.database_url (BELLWIRE_REPORTS__DATABASE_URL)", url),
        };
        let database = Database::open_url(setting, url, "bellwire-reports")?;
        let known = Current::open(&config.definitions, &["toml", "sql"], || Known::read(&config, &delivery))?;
        let zone = TimeZone::get(&config.time_zone).map_err(|_| OpenError::TimeZone(config.time_zone.clone()))?;
        let fonts = Arc::new(FontFiles::read(&config.pdf_fonts).map_err(OpenError::Font)?);
        Ok(Self { config, database, known, delivery, zone, fonts })
    }

    /// What the role of the queries may do besides reading.
    pub async fn unneeded_rights(&self) -> Result<Vec<UnneededRight>, DatabaseError> {
        role::unneeded_rights(&self.database).await
    }

    fn definition(&self, context: &Context, name: &str) -> Result<Arc<ReportDefinition>, Failure> {
        // A report that is not allowed is answered like one that does not exist.
        let known = self.known.get();
        let found = known.definitions.get(name).filter(|definition| context.is_allowed(&definition.allow));
        found.cloned().ok_or_else(|| {
            let name: String = name.chars().take(64).collect();
            Failure::input(format!("report: there is no report {name:?} that you may have"))
        })
    }

    /// Makes the report: runs the queries and stores the file.
    async fn make(&self, context: &Context, input: Input) -> Result<Made, Failure> {
        let started = Instant::now();
        let definition = self.definition(context, &input.report)?;
        let format = definition.format(input.format)?;
        let report = BoundReport::new(definition.clone(), input.parameters)?;
        let zone = definition.zone.as_ref().unwrap_or(&self.zone).clone();
        let display = Display { zone, groups: true };
        let about = Arc::new(About::new(context, &report, format, &display));
        context.log(Level::Info, format!("Making {} ({}).", about.file_name(), about.summary()));
        let (sheets, file) = self.create_file(context, report, about.clone(), display).await?;
        let beside = self.create_about(context, &about, &sheets).await?;
        let rows = sheets.iter().map(|sheet| sheet.rows).sum();
        say_sheets(context, &sheets, &file, started);
        Ok(output::made(&about, rows, (&file, beside.as_ref()), started, self.config.keep))
    }

    /// What an earlier attempt has made, while its file is there: the queries are not run again for those who wait for it.
    async fn made_before(&self, context: &Context, ledger: &Ledger) -> Result<Option<Made>, Failure> {
        let Some(made) = ledger.made::<Made>() else { return Ok(None) };
        match context.files.get(&made.parcel.file).await {
            Ok(_) => {
                context.log(Level::Info, "It was made before; going on with those who do not have it yet.");
                Ok(Some(made))
            }
            Err(StorageError::NotFound(_)) => Ok(None),
            Err(error) => Err(upload::failure(error)),
        }
    }

    /// Runs the queries, writes their rows and uploads the file, all three at once.
    async fn create_file(
        &self,
        context: &Context,
        report: BoundReport,
        about: Arc<About>,
        display: Display,
    ) -> Result<(Vec<WrittenSheet>, StoredFile), Failure> {
        let key = expiry::file_key(context.task, &about.file_name());
        let put = context.files.put(key).await.map_err(upload::failure)?.limit(self.config.byte_limit);
        let (rows, messages) = mpsc::channel(WAITING_BATCHES);
        let (out, reader) = upload::pipe(context.stop.clone());
        let ReportsConfig { row_limit, pdf_row_limit, byte_limit, statement_timeout: timeout, .. } = self.config;
        let writer = FileWriter {
            definition: report.definition.clone(),
            about,
            display,
            fonts: self.fonts.clone(),
            limits: Limits { rows: row_limit, pdf_rows: pdf_row_limit, bytes: byte_limit },
            progress: context.progress_handle(),
        };
        let stop = context.stop.clone();
        let (queried, written, uploaded) = tokio::join!(
            query::database::run(&self.database, QueryRun { report, timeout, stop, rows }),
            thread::run(move || writer.write(messages, out)),
            upload::upload(reader, put),
        );
        match (queried, written, uploaded) {
            (Ok(()), Ok(sheets), Ok(file)) => Ok((sheets, file)),
            // The writer of a workbook reports an error of its own when it is stopped.
            _ if context.stop.is_cancelled() => Err(Failure::Stopped),
            // One of the three failed, which stopped the others.
            (queried, written, uploaded) => {
                let failures = [queried.err(), written.err(), uploaded.err()];
                let cause = failures.into_iter().flatten().find(|failure| !matches!(failure, Failure::Stopped));
                Err(cause.unwrap_or(Failure::Stopped))
            }
        }
    }

    /// Says beside a file what it is, where rows are all that it holds.
    async fn create_about(
        &self,
        context: &Context,
        about: &About,
        sheets: &[WrittenSheet],
    ) -> Result<Option<StoredFile>, Failure> {
        if !about.format.is_bare() || about.is_zipped() {
            return Ok(None);
        }
        let key = expiry::file_key(context.task, &format!("{}.about.json", about.file_name()));
        // The report is there, so a full quota fails it no more.
        let mut put = context.files.put_beyond_quota(key).await.map_err(upload::failure)?;
        put.write(format!("{:#}\n", about.json(sheets)).into()).await.map_err(upload::failure)?;
        put.finish().await.map(Some).map_err(upload::failure)
    }
}

/// Tells the owner what was written.
fn say_sheets(context: &Context, sheets: &[WrittenSheet], file: &StoredFile, started: Instant) {
    for sheet in sheets.iter().filter(|_| sheets.len() > 1) {
        context.log(Level::Info, format!("{}: {}.", sheet.name, row_count(sheet.rows)));
    }
    let (rows, seconds) = (sheets.iter().map(|sheet| sheet.rows).sum(), started.elapsed().as_secs_f64());
    context.log(Level::Info, format!("Wrote {}, {} bytes, in {seconds:.1} s.", row_count(rows), file.bytes));
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
        self.known.get().definitions.values().map(|definition| definition.offer()).collect()
    }

    fn schedules(&self) -> Vec<Schedule> {
        let with_recipients = |scheduled: &Scheduled<Recipients>| Schedule {
            recipients: scheduled.deliver.as_ref().map(Recipients::in_words).unwrap_or_default(),
            ..scheduled.schedule.clone()
        };
        self.known.get().schedules.iter().map(with_recipients).collect()
    }

    fn policies(&self) -> Policies {
        self.known.get().policies.clone()
    }

    fn reread(&self) -> Option<Result<(), Faults>> {
        self.known.reread(|| Known::read(&self.config, &self.delivery))
    }

    fn deadline(&self) -> Duration {
        self.config.deadline
    }

    async fn run(&self, context: &Context, input: Input) -> Result<Completion<Output>, Failure> {
        let known = self.known.get();
        let order = Order::of(&known.schedules, context, input)?;
        let Some(recipients) = order.recipients else {
            let made = self.make(context, order.input).await?;
            return Ok(output::completion(made, Sent::ToNobody));
        };
        let mut ledger = Ledger::open(context).await?;
        let made = match self.made_before(context, &ledger).await? {
            Some(made) => made,
            None => {
                let made = self.make(context, order.input).await?;
                ledger.keep_made(&made).await?;
                made
            }
        };
        if recipients.skip_empty && made.parcel.rows == 0 {
            context.log(Level::Info, "It has no rows, so it goes to nobody else.");
            return Ok(output::completion(made, Sent::Empty));
        }
        let delivered = self.delivery.deliver(context, &recipients, &made.parcel, &mut ledger).await?;
        Ok(output::completion(made, Sent::Delivered(delivered)))
    }

    async fn background(&self, worker: &WorkerContext, stop: CancellationToken) -> anyhow::Result<()> {
        let checked = async {
            tokio::select! {
                checked = role::check(&self.database, self.config.only_readers) => checked,
                () = stop.cancelled() => Ok(()),
            }
        };
        let expired = async {
            expiry::remove_expired(worker, self.config.keep, stop.clone()).await;
            Ok(())
        };
        tokio::try_join!(checked, expired).map(drop)
    }
}
