//! The life of a command that asks and ends: what it says goes to the terminal, an error is one line.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use process::{Options, Settings};
use tokio::runtime::Runtime;

/// Reads the settings and does the work.
pub(crate) fn live<W>(options: &Options, work: impl FnOnce(Settings) -> W) -> ExitCode
where
    W: Future<Output = anyhow::Result<()>>,
{
    match run(options, work) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our words has heard enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run<W>(options: &Options, work: impl FnOnce(Settings) -> W) -> anyhow::Result<()>
where
    W: Future<Output = anyhow::Result<()>>,
{
    let settings = options.settings()?;
    Runtime::new()?.block_on(work(settings))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A line for whoever reads the output.
pub(crate) fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// A line beside the output.
pub(crate) fn complain(line: &str) {
    // There is nobody left to be told that standard error is closed.
    writeln!(io::stderr().lock(), "bellwire: {}", line.replace('\n', "; ")).ok();
}

/// What others wrote must not command the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
