//! `bellwire-reports`: takes the report jobs of one environment.

use std::process::ExitCode;

use clap::Parser;
use process::Settings;
use reports::{DatabaseConfig, Delivery, Reports, ReportsConfig};
use runtime::{Worker, worker::Flags};

#[derive(Parser)]
#[command(version, about = "Makes reports from the definitions in a folder, one environment's jobs at a time.")]
struct Arguments {
    #[command(flatten)]
    flags: Flags,
}

fn main() -> ExitCode {
    runtime::run("bellwire-reports", &Arguments::parse().flags, worker)
}

fn worker(settings: &Settings) -> anyhow::Result<Worker<Reports>> {
    let config: ReportsConfig = settings.section("reports")?;
    let (admin_listen, host) = (config.admin_listen, config.host.clone());
    let delivery = Delivery::read(settings)?;
    let function = Reports::open(config, &settings.section::<DatabaseConfig>("database")?, delivery)?;
    Ok(Worker { admin_listen, host, function })
}
