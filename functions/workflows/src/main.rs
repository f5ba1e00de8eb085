//! `bellwire-workflows`: begins the runs of one environment and brings them to their end.

use std::process::ExitCode;

use clap::Parser;
use process::Settings;
use runtime::{Worker, worker::Flags};
use workflows::{Workflows, WorkflowsConfig};

#[derive(Parser)]
#[command(version, about = "Runs workflows: steps that other workers do, approvals and waits.")]
struct Arguments {
    #[command(flatten)]
    flags: Flags,
}

fn main() -> ExitCode {
    runtime::run("bellwire-workflows", &Arguments::parse().flags, worker)
}

fn worker(settings: &Settings) -> anyhow::Result<Worker<Workflows>> {
    let config: WorkflowsConfig = settings.section("workflows")?;
    // Said at start, and not by the first run.
    anyhow::ensure!(
        settings.has("database"),
        "workflows keep their runs in a database: set database.url (BELLWIRE_DATABASE__URL)"
    );
    let (admin_listen, host) = (config.admin_listen, config.host.clone());
    Ok(Worker { admin_listen, host, function: Workflows::open(config)? })
}
