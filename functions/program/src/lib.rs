//! The program of a function.
//!
//! - [`run`]: the whole of its `main`: a worker, or with the command `dev` everything in one process
//! - [`dev`]: the gateway and workers of every kind in one process, which is also `bellwire dev`; a feature, since a worker
//!   for production needs none of it

#[cfg(feature = "dev")]
pub mod dev;

use std::process::ExitCode;

use clap::{Args, Command, FromArgMatches, Subcommand};
use runtime::{Function, Settings, Worker, worker};

/// The arguments of such a program.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Commands>,

    #[command(flatten)]
    worker: worker::Flags,
}

#[derive(Debug, Subcommand)]
enum Commands {
    /// Run the gateway, the built-in functions and this one in this process, with nothing installed
    #[cfg(feature = "dev")]
    Dev(Box<dev::Flags>),
}

/// Runs the program `name` of the function that `build` makes of the settings: its worker, until a signal stops it, or with
/// the command `dev` everything in one process.
pub fn run<F: Function>(
    name: &'static str,
    build: impl Fn(&Settings) -> anyhow::Result<Worker<F>> + 'static,
) -> ExitCode {
    let command = Arguments::augment_args(Command::new(name)).version(env!("CARGO_PKG_VERSION"));
    let arguments = Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    match arguments.command {
        #[cfg(feature = "dev")]
        Some(Commands::Dev(flags)) => dev::run(name, &flags, &[dev::OwnFunction::new(build)]),
        _ => runtime::run(name, &arguments.worker, build),
    }
}
