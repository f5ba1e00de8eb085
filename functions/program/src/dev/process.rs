//! The process of `bellwire dev`.

use std::{
    fs,
    io::{self, Write},
    process::ExitCode,
};

use ::process::{Admin, ProcessContext, Readiness, Settings, run_with};
use anyhow::Context;
use futures_util::future::try_join_all;
use gateway::{Gateway, GatewayConfig, Key, ServedEnvironment};
use imports::{Imports, ImportsConfig};
use model::{Environment, PodId};
use reports::{Delivery, Reports, ReportsConfig};
use runtime::{Database, DatabaseConfig, Host, WorkerContext};
use signing::{SigningKey, Verifier};
use storage::{FilesConfig, Storage, StorageConfig};
use workflows::{Workflows, WorkflowsConfig};

use super::{broker::Broker, flags::Flags, own_function::OwnFunction, welcome};

/// Two, to show that they are separate.
const ENVIRONMENTS: [&str; 2] = ["dev", "test"];

/// Runs until a signal stops it, with these functions beside the built-in ones.
pub fn run(name: &'static str, flags: &Flags, own: &[OwnFunction]) -> ExitCode {
    let (layers, unused) = flags.layers();
    run_with(name, layers, |context| work(context, flags, own, unused))
}

async fn work(
    context: ProcessContext,
    flags: &Flags,
    own: &[OwnFunction],
    unused: Option<String>,
) -> anyhow::Result<()> {
    let ProcessContext { settings, readiness, signals, telemetry } = context;
    let config: GatewayConfig = settings.section("gateway")?;
    anyhow::ensure!(
        config.listen.ip().is_loopback() || flags.tokens_for_the_whole_network,
        "gateway.listen: `bellwire dev` hands out tokens for anybody, and {} is not on loopback; \
         --tokens-for-the-whole-network allows it",
        config.listen,
    );
    let data = &flags.data;
    fs::create_dir_all(data).with_context(|| format!("--data: the folder {} cannot be made", data.display()))?;
    let storage = Storage::open(&settings.section::<StorageConfig>("storage")?)?;
    let storage = storage.with_limits(settings.section::<FilesConfig>("files")?);
    storage.check_at_start().await?;
    let broker = Broker::new(&settings, flags.backplane.as_deref())?;
    // The test environment has tables of its own.
    let test_database = DatabaseConfig { url: format!("sqlite://{}/bellwire-test.db", data.display()) };
    let databases = [settings.section("database")?, test_database];
    let (mut served, mut hosts, mut remarks) = (Vec::new(), Vec::new(), Vec::from_iter(unused));
    for (name, database) in ENVIRONMENTS.into_iter().zip(databases) {
        let name: Environment = name.parse()?;
        let secret = broker.secret(data, &name)?;
        let signing = SigningKey::derived_from(&secret);
        let backplane = broker.environment(&name, &flags.kinds).await?;
        let context = WorkerContext {
            environment: name.clone(),
            backplane: backplane.clone(),
            verifier: Verifier::of(&name, &signing),
            storage: storage.clone(),
            database: Some(Database::open(&database)?),
            pod: PodId::worker(),
            telemetry: telemetry.clone(),
        };
        hosts.extend(built_in(&settings, &context, &database, &readiness)?);
        for function in own {
            hosts.push(function.host(&settings, &context, &readiness)?);
        }
        remarks.extend(broker.remark(&name, &signing.verifying_key()));
        served.push(ServedEnvironment { name, key: Key::hs256(&secret, None, None), backplane });
    }
    let admin = Admin::open(&settings, config.admin_listen, readiness.clone()).await?;
    let gateway = Gateway::bind(config, served, storage, true, &readiness, telemetry)?;
    let text = welcome::prepare(data, gateway.address()?, &remarks)?;
    let stop = || signals.stop().cancelled_owned();
    let workers = try_join_all(hosts.into_iter().map(|host| host.run(stop())));
    let workers = async { workers.await.map_err(anyhow::Error::from) };
    // Printed once everything is ready, so that the pasted commands succeed.
    let welcome = async {
        tokio::select! {
            // It serves even if standard output is closed.
            () = readiness.ready() => writeln!(io::stdout().lock(), "{text}").or(Ok(())),
            () = stop() => Ok(()),
        }
    };
    admin.serve_during(async { tokio::try_join!(gateway.run(stop()), workers, welcome) }).await??;
    Ok(())
}

/// A worker of each built-in kind.
fn built_in(
    settings: &Settings,
    context: &WorkerContext,
    database: &DatabaseConfig,
    readiness: &Readiness,
) -> anyhow::Result<[Host; 3]> {
    let imports: ImportsConfig = settings.section("imports")?;
    let reports: ReportsConfig = settings.section("reports")?;
    let workflows: WorkflowsConfig = settings.section("workflows")?;
    let delivery = Delivery::read(settings)?;
    Ok([
        Host::new(context.clone(), imports.host.clone(), Imports::open(imports, database)?, readiness)?,
        Host::new(context.clone(), reports.host.clone(), Reports::open(reports, database, delivery)?, readiness)?,
        Host::new(context.clone(), workflows.host.clone(), Workflows::open(workflows)?, readiness)?,
    ])
}
