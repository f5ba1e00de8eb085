//! `bellwire`: everything in one process, and commands for a deployment.
//!
//! - `dev` (of `functions/program`): the gateway and all workers in one process, with nothing installed
//! - [`new`]: writes the crate of a function of one's own
//! - [`notify`] and [`tail`]: publish a message, and follow an environment's events, over the broker itself
//! - [`events`]: shows the entries of the log that are for nobody
//! - [`jobs`]: lists, retries and drops the jobs that were given up
//! - [`key`]: prints the public key of an environment's gateways
//! - [`schedules`]: lists and pauses what starts by itself, over a gateway
//! - [`token`]: signs a user's token with an environment's key
//! - [`topology`]: declares an environment on the broker
//! - [`environment`]: the environment of a command; [`terminal`]: its output and its errors

mod environment;
mod events;
mod jobs;
mod key;
mod new;
mod notify;
mod schedules;
mod tail;
mod terminal;
mod token;
mod topology;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "bellwire", version, about = "Tells people the moment something they wait for has happened.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway and all workers in this process, with nothing installed
    Dev(Box<program::dev::Flags>),
    /// Say something to a person, a group, an environment or everywhere
    Notify(notify::Flags),
    /// Show what was published and is for nobody, with the reason
    Events(events::Flags),
    /// List, show, retry and drop the jobs that were given up
    Jobs(jobs::Flags),
    /// Write the crate of a function of your own
    New(new::Flags),
    /// Print the public key of an environment's gateways, for the settings of its workers
    Key(key::Flags),
    /// List, pause, resume and start now what starts by itself
    Schedules(schedules::Flags),
    /// Show what is said in an environment, line by line, until Ctrl-C
    Tail(tail::Flags),
    /// Sign a token for somebody with an environment's key
    Token(token::Flags),
    /// Declare an environment's names on the broker, as its operator
    Topology(topology::Flags),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Dev(flags) => program::dev::run("bellwire dev", &flags, &[]),
        Command::New(flags) => terminal::report(new::write(flags)),
        Command::Notify(flags) => {
            terminal::run(&flags.target.options.clone(), |settings| notify::send(settings, flags))
        }
        Command::Events(flags) => terminal::run(&flags.target.options.clone(), |settings| events::run(settings, flags)),
        Command::Jobs(flags) => terminal::run(&flags.target.options.clone(), |settings| jobs::run(settings, flags)),
        Command::Key(flags) => {
            terminal::run(&flags.target.options.clone(), |settings| key::print_public(settings, flags))
        }
        Command::Schedules(flags) => {
            terminal::run(&flags.target.options.clone(), |settings| schedules::run(settings, flags))
        }
        Command::Tail(flags) => terminal::run(&flags.target.options.clone(), |settings| tail::follow(settings, flags)),
        Command::Token(flags) => terminal::run(&flags.target.options.clone(), |settings| token::sign(settings, flags)),
        Command::Topology(flags) => {
            terminal::run(&flags.target.options.clone(), |settings| topology::declare(settings, flags))
        }
    }
}
