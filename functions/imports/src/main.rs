//! `bellwire-imports`: takes the import jobs of one environment.

use std::process::ExitCode;

use clap::Parser;
use imports::{DatabaseConfig, Imports, ImportsConfig};
use process::Settings;
use runtime::{Worker, worker::Flags};

#[derive(Parser)]
#[command(
    version,
    about = "Imports CSV, TSV, JSON Lines and XLSX files into tables, one environment's jobs at a time."
)]
struct Arguments {
    #[command(flatten)]
    flags: Flags,
}

fn main() -> ExitCode {
    runtime::run("bellwire-imports", &Arguments::parse().flags, worker)
}

fn worker(settings: &Settings) -> anyhow::Result<Worker<Imports>> {
    let config: ImportsConfig = settings.section("imports")?;
    let (admin_listen, host) = (config.admin_listen, config.host.clone());
    let function = Imports::open(config, &settings.section::<DatabaseConfig>("database")?)?;
    Ok(Worker { admin_listen, host, function })
}
