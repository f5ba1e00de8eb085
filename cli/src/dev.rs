//! `bellwire dev`: the gateway and all workers in one process: memory, SQLite, a local folder, tokens for anybody.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context;
use backplane::memory::Broker;
use futures_util::future::try_join_all;
use gateway::{Gateway, GatewayConfig, Key, ServedEnvironment};
use imports::{Imports, ImportsConfig};
use model::{Environment, PodId};
use process::{Admin, Options, ProcessContext, Readiness, Settings};
use reports::{Reports, ReportsConfig};
use runtime::{Database, DatabaseConfig, Host, WorkerContext};
use signing::{SigningKey, Verifier};
use storage::{FilesConfig, Storage, StorageConfig};
use workflows::{Workflows, WorkflowsConfig};

use crate::{terminal::print, welcome};

/// Two, to show that they are separate.
const ENVIRONMENTS: [&str; 2] = ["dev", "test"];

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    options: Options,

    /// Where browsers and programs connect
    #[arg(long, default_value_t = 8080)]
    port: u16,

    /// Where files and tables are kept
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,

    /// Listen beyond loopback where --set gateway.listen says so: whoever reaches the port becomes anybody
    #[arg(long)]
    tokens_for_the_whole_network: bool,
}

impl Flags {
    /// Overrides every setting of a real deployment's file that this command must not use; `--set` overrides these.
    fn options(&self) -> Options {
        let data = self.data.display();
        let overrides = [
            ("gateway.listen", format!("127.0.0.1:{}", self.port)),
            ("gateway.admin_listen", "127.0.0.1:0".to_owned()),
            ("gateway.grace", "1s".to_owned()),
            ("gateway.schedules_for", "*".to_owned()),
            ("imports.host.grace", "5s".to_owned()),
            ("reports.host.grace", "5s".to_owned()),
            ("workflows.host.grace", "5s".to_owned()),
            ("storage.url", format!("file:{data}/files")),
            ("database.url", format!("sqlite://{data}/bellwire.db")),
        ];
        let mut set: Vec<_> = overrides.into_iter().map(|(path, value)| (path.to_owned(), value)).collect();
        set.extend(self.options.set.iter().cloned());
        Options { set, ..self.options.clone() }
    }
}

/// Runs until a signal stops it.
pub(crate) fn run(flags: Flags) -> ExitCode {
    // Whoever reaches the port gets a token: a deployment's databases that are set here are not theirs.
    let (layers, unused) = flags.options().layers_of_flags();
    process::run_with("bellwire dev", layers, |context| work(context, flags, unused))
}

async fn work(context: ProcessContext, flags: Flags, unused: Option<String>) -> anyhow::Result<()> {
    let ProcessContext { settings, readiness, signals } = context;
    let config: GatewayConfig = settings.section("gateway")?;
    anyhow::ensure!(
        config.listen.ip().is_loopback() || flags.tokens_for_the_whole_network,
        "gateway.listen: `bellwire dev` hands out tokens for anybody, and {} is not on loopback; \
         --tokens-for-the-whole-network allows it",
        config.listen,
    );
    let data = flags.data;
    fs::create_dir_all(&data).with_context(|| format!("--data: the folder {} cannot be made", data.display()))?;
    let storage = Storage::open(&settings.section::<StorageConfig>("storage")?)?;
    let storage = storage.with_limits(settings.section::<FilesConfig>("files")?);
    let broker = Broker::new();
    let [dev, test] = ENVIRONMENTS.map(|name| name.parse::<Environment>().expect("it is a name"));
    // The keys end with this process.
    let secrets = ENVIRONMENTS.map(|_| rand::random::<[u8; 32]>());
    let verifiers = [0, 1].map(|at| Verifier::of([&dev, &test][at], &SigningKey::derived_from(&secrets[at])));
    let served = [(&dev, &secrets[0]), (&test, &secrets[1])].map(|(environment, secret)| {
        let key = Key::hs256(secret, None, None);
        ServedEnvironment { name: environment.clone(), key, backplane: broker.environment(environment) }
    });
    let mut hosts = Vec::new();
    // The test environment has tables of its own.
    let test_database = DatabaseConfig { url: format!("sqlite://{}/bellwire-test.db", data.display()) };
    let databases = [settings.section("database")?, test_database];
    for ((environment, database), verifier) in [&dev, &test].into_iter().zip(databases).zip(verifiers) {
        let context = WorkerContext {
            environment: environment.clone(),
            backplane: broker.environment(environment),
            verifier,
            storage: storage.clone(),
            database: Some(Database::open(&database)?),
            pod: PodId::worker(),
        };
        hosts.extend(workers(&settings, &context, &database, &readiness)?);
    }
    let admin = Admin::open(&settings, config.admin_listen, readiness.clone()).await?;
    let gateway = Gateway::bind(config, served.into(), storage, true, &readiness)?;
    let text = welcome::prepare(&data, gateway.address()?, unused.as_deref())?;
    let stop = || signals.stop().cancelled_owned();
    let workers = try_join_all(hosts.into_iter().map(|host| host.run(stop())));
    let workers = async { workers.await.map_err(anyhow::Error::from) };
    // Printed once everything is ready, so that the pasted commands succeed.
    let welcome = async {
        tokio::select! {
            // It serves even if standard output is closed.
            () = readiness.ready() => print(&text).or(Ok(())),
            () = stop() => Ok(()),
        }
    };
    admin.serve_during(async { tokio::try_join!(gateway.run(stop()), workers, welcome) }).await??;
    Ok(())
}

/// A worker of each kind.
fn workers(
    settings: &Settings,
    context: &WorkerContext,
    database: &DatabaseConfig,
    readiness: &Readiness,
) -> anyhow::Result<[Host; 3]> {
    let imports: ImportsConfig = settings.section("imports")?;
    let reports: ReportsConfig = settings.section("reports")?;
    let workflows: WorkflowsConfig = settings.section("workflows")?;
    Ok([
        Host::new(context.clone(), imports.host.clone(), Imports::open(imports, database)?, readiness)?,
        Host::new(context.clone(), reports.host.clone(), Reports::open(reports, database)?, readiness)?,
        Host::new(context.clone(), workflows.host.clone(), Workflows::open(workflows)?, readiness)?,
    ])
}
