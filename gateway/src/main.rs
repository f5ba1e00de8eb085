//! `bellwire-gateway`: serves the connections of one or more environments.

use std::process::ExitCode;

use clap::Parser;
use process::{Options, run};

#[derive(Parser)]
#[command(version, about = "Holds browser connections and hands them the events that are meant for them.")]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    run("bellwire-gateway", &arguments.options, gateway::serve)
}
