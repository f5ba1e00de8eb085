//! The other sides, from PyPI and npm, installed into a folder of their own.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{program::Role, side::Side};

/// Where they are installed, with a copy of their programs: Node looks for packages beside a program.
pub(crate) struct Peers(PathBuf);

impl Peers {
    /// Installs what is not there as the lists say it.
    pub(crate) fn install() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        // The benchmark lies in target/release/deps.
        let folder = env::current_exe().unwrap().ancestors().nth(3).unwrap().join("peers");
        fs::create_dir_all(&folder).unwrap();
        for file in fs::read_dir(&here).unwrap().flatten() {
            fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
        unless_installed(&folder, "package-lock.json", npm);
        unless_installed(&folder, "requirements.txt", pip);
        Self(folder)
    }

    /// A program that runs there.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.0);
        command
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.0.clone()
    }

    /// Those that only queue.
    pub(crate) fn sides(&self) -> Vec<Side> {
        let side = |name, contract, (teller, address): (Role, &str), file: &'static str| {
            let url = env::var(address).unwrap_or_else(|_| panic!("{address}: run `make bench`, which starts it"));
            let (folder, service) = (self.0.clone(), url::Url::parse(&url).unwrap().port().unwrap());
            let program = move |_: &str| {
                let mut command =
                    Command::new(if file.ends_with(".py") { folder.join("python/bin/python") } else { "node".into() });
                command.arg(file).current_dir(&folder).env("BENCH_URL", &url);
                command
            };
            Side { name, contract, teller, service, program: Box::new(program) }
        };
        let redis = (Role::Submit, "BELLWIRE_TEST_REDIS_URL");
        let (rabbitmq, postgresql) = ("BELLWIRE_TEST_AMQP_URL", "BELLWIRE_TEST_DATABASE_URL");
        vec![
            side(
                "celery",
                "the same queue: synced, publishing confirmed one by one, acknowledged last; the end is an event that nobody confirms",
                (Role::Submit, rabbitmq),
                "celery_jobs.py",
            ),
            side(
                "pg-boss",
                "rows of PostgreSQL, synced by each commit; a batch as large as what is in flight; no event: the handler's return",
                (Role::Work, postgresql),
                "pg_boss.mjs",
            ),
            side(
                "graphile-worker",
                "the same; 500 jobs locked at once, completed in batches; no event: completion, within the worker",
                (Role::Work, postgresql),
                "graphile_worker.mjs",
            ),
            side(
                "bullmq",
                "Redis, synced once a second: up to a second of confirmed jobs can be lost; the end is an event of the same stream",
                redis,
                "bullmq.mjs",
            )
            .with("BENCH_FSYNC", "everysec"),
            side(
                "bullmq-synced",
                "the same, synced with every write, as ours is",
                redis,
                "bullmq.mjs",
            )
            .with("BENCH_FSYNC", "always"),
        ]
    }
}

/// Installs what a list says, unless that was the last that was installed by it.
fn unless_installed(folder: &Path, list: &str, install: fn(&Path)) {
    let (wanted, installed) = (fs::read(folder.join(list)).unwrap(), folder.join(format!("{list}.installed")));
    if fs::read(&installed).ok().as_ref() != Some(&wanted) {
        install(folder);
        fs::write(installed, wanted).unwrap();
    }
}

fn npm(folder: &Path) {
    run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder));
}

fn pip(folder: &Path) {
    let venv = folder.join("python");
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement", "requirements.txt"]);
    run(pip.current_dir(folder));
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?} failed");
}
