//! Runs a command that prints and ends; an error is one line on standard error.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use process::{Options, Settings};
use tokio::runtime::Runtime;

/// How long the end waits for threads whose call of the system has not returned, as of a disk that hangs.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// Reads the settings and runs the command.
pub(crate) fn run<W: Future<Output = anyhow::Result<()>>>(
    options: &Options,
    work: impl FnOnce(Settings) -> W,
) -> ExitCode {
    let run = || {
        let runtime = Runtime::new()?;
        let done = runtime.block_on(work(options.settings()?));
        runtime.shutdown_timeout(LAST_CALLS);
        done
    };
    report(run())
}

/// The exit code of a command; its error is one line on standard error.
pub(crate) fn report(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has ended, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints a line on standard output.
pub(crate) fn print(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// Prints a line on standard error.
pub(crate) fn print_error(line: &str) {
    // If standard error is closed there is no place left to report it.
    writeln!(io::stderr().lock(), "bellwire: {}", line.replace('\n', "; ")).ok();
}

/// Replaces control characters, so that the text of others cannot control the terminal.
pub(crate) fn sanitize(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
