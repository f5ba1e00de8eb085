//! A worker that is a process of its own: this program again, running one ignored test.

use std::{
    env,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    thread,
};

use runtime::HostConfig;
use scenarios::{TIMEOUT, TestBackplane};
use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    books,
    ledger::Ledger,
    phase::{Phase, Watch},
    stage::{Workplace, work},
};

const HALT: &str = "KILLED_AT";
const OPERATOR: &str = "KILLED_OPERATOR";
const PREFIX: &str = "KILLED_PREFIX";
const DATABASE: &str = "KILLED_DATABASE";
const HALTED: &str = "halted";
const SIGKILL: i32 = 9;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that the other tests start"]
async fn child() {
    let halt = env::var(HALT).unwrap();
    let watch = match halt.parse::<Phase>() {
        Ok(halt) => Watch::with(move |phase| {
            if phase == halt {
                println!("\n{HALTED}");
                loop {
                    thread::park();
                }
            }
        }),
        Err(_) => Watch::none(),
    };
    let test_backplane = TestBackplane::RabbitMq {
        operator: env::var(OPERATOR).unwrap().parse().unwrap(),
        prefix: env::var(PREFIX).unwrap(),
    };
    let (database, host) = (books::open(&env::var(DATABASE).unwrap()), HostConfig::default());
    let place = Workplace { test_backplane, database, host };
    work(&place, Ledger::watched(watch), std::future::pending()).await.unwrap();
}

/// A worker in a process of its own; killed with this value.
pub(crate) struct Killable {
    child: Child,
    words: Option<BufReader<ChildStdout>>,
}

impl Killable {
    /// Starts one that halts for good where it is said, if it is.
    pub(crate) fn start(test_backplane: &TestBackplane, database: &str, halt: Option<Phase>) -> Self {
        let TestBackplane::RabbitMq { operator, prefix } = test_backplane else { panic!("processes share no memory") };
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["child::child", "--exact", "--ignored", "--nocapture"])
            .env(HALT, halt.map_or_else(String::new, |phase| format!("{phase:?}")))
            .env(OPERATOR, operator.as_str())
            .env(PREFIX, prefix)
            .env(DATABASE, database)
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let words = child.stdout.take().map(BufReader::new);
        Self { child, words }
    }

    /// Waits until it has halted.
    pub(crate) async fn halted(&mut self) {
        let words = self.words.take().unwrap();
        let halted = spawn_blocking(move || words.lines().any(|line| line.unwrap() == HALTED));
        assert!(timeout(TIMEOUT, halted).await.expect("it halts").unwrap(), "it ended without halting");
    }

    /// Kills it and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        assert!(is_killed(self.child.wait().unwrap()));
    }

    /// Whether it was killed already, or by itself.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some_and(|status| {
            assert!(is_killed(status), "{status}");
            true
        })
    }
}

fn is_killed(status: ExitStatus) -> bool {
    status.signal() == Some(SIGKILL)
}

impl Drop for Killable {
    fn drop(&mut self) {
        // Gone already, unless a test has failed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
