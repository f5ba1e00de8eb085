//! Runs a process: settings, logs, runtime and signals around its work.

use std::{future::Future, process::ExitCode, time::Duration};

use anyhow::Context;

use crate::{
    config_error::ConfigError,
    logs,
    options::Options,
    prometheus,
    readiness::Readiness,
    settings::{Layers, Settings},
    signals::Signals,
    telemetry::{Telemetry, TelemetryConfig},
};

/// How long the end waits for threads whose call of the system has not returned, as of a disk that hangs.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// The parts that every process has.
pub struct ProcessContext {
    /// Its settings.
    pub settings: Settings,
    /// Its readiness.
    pub readiness: Readiness,
    /// The signals that stop it.
    pub signals: Signals,
    /// Its traces.
    pub telemetry: Telemetry,
}

/// Runs `work` as the process `name` (`bellwire-gateway`) with these flags. An error of the work is the last line of the
/// log, and the exit code is 1.
pub fn run<F: Future<Output = anyhow::Result<()>>>(
    name: &'static str,
    options: &Options,
    work: impl FnOnce(ProcessContext) -> F,
) -> ExitCode {
    run_with(name, options.layers(), work)
}

/// The same, with settings from these layers alone.
// There are no logs before the settings are read, so their error goes to standard error as it is.
#[allow(clippy::print_stderr)]
pub fn run_with<F: Future<Output = anyhow::Result<()>>>(
    name: &'static str,
    layers: Layers,
    work: impl FnOnce(ProcessContext) -> F,
) -> ExitCode {
    let (settings, traces) = match read(layers) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("{name}: {error}");
            return ExitCode::from(2);
        }
    };
    let run = || {
        prometheus::install_recorder();
        let runtime = tokio::runtime::Runtime::new().context("no runtime")?;
        let done = runtime.block_on(async {
            let signals = Signals::listen().context("no signals")?;
            let telemetry = Telemetry::start(name, &traces)?;
            let context =
                ProcessContext { settings, readiness: Readiness::default(), signals, telemetry: telemetry.clone() };
            let done = work(context).await;
            telemetry.close().await;
            done
        });
        runtime.shutdown_timeout(LAST_CALLS);
        done
    };
    match run() {
        Ok(()) => {
            tracing::info!("{name} has stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!("{name} ends: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The settings, those of every process checked; the logs are there from then on.
fn read(layers: Layers) -> Result<(Settings, TelemetryConfig), ConfigError> {
    let settings = Settings::read(layers)?;
    let traces = TelemetryConfig::read(&settings)?;
    logs::init(&settings)?;
    Ok((settings, traces))
}
