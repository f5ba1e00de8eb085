//! `bellwire`: everything in one process, and words to those that run apart.
//!
//! - [`dev`]: the gateway and all workers in one process, with nothing installed; [`first_steps`]: what it prints
//! - [`notify`] and [`tail`]: speak to people, and hear what is said, over the broker itself
//! - [`jobs`]: the jobs that were given up: looked at, tried again, dropped
//! - [`token`]: who somebody is, signed with an environment's key
//! - [`topology`]: an environment's names on the broker
//! - [`short`]: the life of the commands that ask and end; [`chosen`]: which environment they mean

mod chosen;
mod dev;
mod first_steps;
mod jobs;
mod notify;
mod short;
mod tail;
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
    Dev(dev::Flags),
    /// Say something to a person, a group, an environment or everywhere
    Notify(notify::Flags),
    /// List, show, retry and drop the jobs that were given up
    Jobs(jobs::Flags),
    /// Show what is said in an environment, line by line, until Ctrl-C
    Tail(tail::Flags),
    /// Sign a token for somebody with an environment's key
    Token(token::Flags),
    /// Declare an environment's names on the broker, as its operator
    Topology(topology::Flags),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Dev(flags) => dev::live(flags),
        Command::Notify(flags) => short::live(&flags.options.clone(), |settings| notify::send(settings, flags)),
        Command::Jobs(flags) => short::live(&flags.options.clone(), |settings| jobs::act(settings, flags)),
        Command::Tail(flags) => short::live(&flags.options.clone(), |settings| tail::follow(settings, flags)),
        Command::Token(flags) => short::live(&flags.options.clone(), |settings| token::sign(settings, flags)),
        Command::Topology(flags) => short::live(&flags.options.clone(), |settings| topology::declare(settings, flags)),
    }
}
