//! The other side: Celery from PyPI, in a Python of its own, measured by a script of its own with the same numbers.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{AT_ONCE, BACKLOG, Measured, PACED, PER_SECOND};

/// A folder with Celery in it, removed when dropped.
pub(crate) struct Python(TempDir);

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/jobs")
}

pub(crate) fn install() -> Python {
    let folder = TempDir::new().unwrap();
    run(Command::new("python3").args(["-m", "venv"]).arg(folder.path()));
    let mut pip = Command::new(folder.path().join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    run(pip.arg(here().join("requirements.txt")));
    Python(folder)
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?} failed");
}

pub(crate) fn measure(python: &Python, workers: usize) -> Measured {
    let mut command = Command::new(python.0.path().join("bin/python"));
    command.arg(here().join("measured.py")).current_dir(python.0.path());
    for (name, number) in [
        ("WORKERS", workers),
        ("BACKLOG", BACKLOG),
        ("PACED", PACED),
        ("PER_SECOND", PER_SECOND as usize),
        ("AT_ONCE", usize::from(AT_ONCE)),
    ] {
        command.env(name, number.to_string());
    }
    command.env("AMQP_URL", env::var("BELLWIRE_TEST_AMQP_URL").expect("run `make bench`, which starts a broker"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| measured[name].as_f64().unwrap();
    Measured { per_second: number("per_second"), p50: number("p50"), p99: number("p99") }
}
