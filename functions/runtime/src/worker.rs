//! The process of a worker: settings, storage, backplane, admin port, jobs, shutdown.
//!
//! The whole of a worker's binary:
//!
//! ```ignore
//! #[derive(clap::Parser)]
//! #[command(version, about = "Imports files into tables.")]
//! struct Arguments {
//!     #[command(flatten)]
//!     flags: runtime::worker::Flags,
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     runtime::run("bellwire-imports", &Arguments::parse().flags, |settings| {
//!         let config: ImportsConfig = settings.section("imports")?;
//!         let (admin_listen, host) = (config.admin_listen, config.host.clone());
//!         let function = Imports::open(config, &settings.section("database")?)?;
//!         Ok(runtime::Worker { admin_listen, host, function })
//!     })
//! }
//! ```

use std::process::ExitCode;

use backplane::Backplane;
use clap::{Args, Command, FromArgMatches};
use model::{Environment, PodId};
use process::{Admin, AdminListen, Environments, Options, ProcessContext, Settings};
use serde::Deserialize;
use storage::{FilesConfig, Storage, StorageConfig};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::{
    database::{Database, DatabaseConfig},
    function::Function,
    host::Host,
    host_config::HostConfig,
    worker_context::WorkerContext,
};

/// The flags that all workers share.
#[derive(Debug, Clone, Args)]
pub struct Flags {
    #[command(flatten)]
    options: Options,

    /// The environment whose jobs to do; needed where the settings hold more than one environment
    #[arg(long, value_name = "NAME")]
    environment: Option<Environment>,
}

impl Flags {
    /// Reads the arguments of a process that takes no others; it ends here when they are wrong or ask for help.
    pub fn parse() -> Self {
        let command = Self::augment_args(Command::new("worker"));
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }
}

/// `[functions.KIND]`: the settings of a function that has none of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WorkerConfig {
    /// `BELLWIRE_FUNCTIONS__KIND__ADMIN_LISTEN`: the port of `/livez`, `/readyz`, `/metrics` on `admin.host`, or an address. `9094`.
    admin_listen: AdminListen,
    /// `[functions.KIND.host]`: how many at once, how often tried, how stopped.
    host: HostConfig,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { admin_listen: AdminListen::port(9094), host: HostConfig::default() }
    }
}

/// A worker, made of its settings.
pub struct Worker<F> {
    /// The address of `/livez`, `/readyz` and `/metrics`.
    pub admin_listen: AdminListen,
    /// The settings of the host.
    pub host: HostConfig,
    /// The function that runs the jobs.
    pub function: F,
}

impl<F: Function> Worker<F> {
    /// A worker with the settings of `[functions.KIND]`; `admin_listen` there is `9094` unless set.
    pub fn from_settings(settings: &Settings, function: F) -> anyhow::Result<Self> {
        let WorkerConfig { admin_listen, host } = settings.section(&format!("functions.{}", function.kind()))?;
        Ok(Self { admin_listen, host, function })
    }
}

/// Runs the worker that `build` makes of the settings; see [`process::run()`].
pub fn run<F: Function>(
    name: &'static str,
    flags: &Flags,
    build: impl FnOnce(&Settings) -> anyhow::Result<Worker<F>>,
) -> ExitCode {
    process::run(name, &flags.options, |context| serve(context, flags.environment.clone(), build))
}

async fn serve<F: Function>(
    context: ProcessContext,
    chosen: Option<Environment>,
    build: impl FnOnce(&Settings) -> anyhow::Result<Worker<F>>,
) -> anyhow::Result<()> {
    let ProcessContext { settings, readiness, signals, telemetry } = context;
    let environments = Environments::read(&settings)?;
    let environment = environments.select(chosen.as_ref())?.name.clone();
    let Worker { admin_listen, host, function } = build(&settings)?;
    let verifier = environments.verifier(&settings, &environment)?;
    if let Some(until) = verifier.unsigned_until() {
        warn!(%environment, %until, "accept_unsigned_until: until then whoever may write to the broker submits jobs for anybody");
    }
    let storage = Storage::open(&settings.section::<StorageConfig>("storage")?)?;
    let storage = storage.with_limits(settings.section::<FilesConfig>("files")?);
    let database = database(&settings)?;
    let backplane = Backplane::open(&environments.backplane(&settings, &environment)?, &environment)?;
    let admin = Admin::open(&settings, admin_listen, readiness.clone()).await?;
    let admin_address = admin.address();
    let worker = WorkerContext { environment, backplane, verifier, storage, database, pod: PodId::worker(), telemetry };
    let working = async {
        // A store that hangs is waited for; the process is alive meanwhile, and not ready.
        worker.storage.check_at_start().await?;
        info!(environment = %worker.environment, pod = %worker.pod, admin = %admin_address, "working");
        let _watch =
            AbortOnDropHandle::new(tokio::spawn(worker.storage.clone().report(readiness.condition("storage"))));
        let host = Host::new(worker, host, function, &readiness)?;
        anyhow::Ok(host.run(signals.stop().cancelled_owned()).await?)
    };
    admin.serve_during(working).await?
}

/// The database of `[database]`, if there is one.
fn database(settings: &Settings) -> anyhow::Result<Option<Database>> {
    match settings.has("database") {
        true => Ok(Some(Database::open(&settings.section::<DatabaseConfig>("database")?)?)),
        false => Ok(None),
    }
}
