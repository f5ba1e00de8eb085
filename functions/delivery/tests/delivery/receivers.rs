//! The servers of `tests/receivers`, in a process of their own.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio::time::sleep;

/// How long anything that must happen may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A mail server and a receiver of webhooks.
pub(crate) struct Receivers {
    pub(crate) smtp: u64,
    pub(crate) webhooks: u64,
    told: Arc<Mutex<Vec<Value>>>,
    input: Mutex<ChildStdin>,
    process: Child,
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Receivers {
    /// With what it is told in its argument.
    pub(crate) async fn start(options: Value) -> Self {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/receivers"));
        let is_installed = folder.join("node_modules").exists();
        assert!(is_installed, "run `make test`, or `npm ci` in tests/receivers: the servers are not there");
        let mut process = Command::new("node")
            .args(["receivers.js", &options.to_string()])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (told, input) = (Arc::<Mutex<Vec<Value>>>::default(), process.stdin.take().unwrap());
        let (output, lines) = (BufReader::new(process.stdout.take().unwrap()), told.clone());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                lines.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        let mut receivers = Self { smtp: 0, webhooks: 0, told, input: Mutex::new(input), process };
        let ports = receivers.wait("it says where it listens", |told| told.first().cloned()).await;
        (receivers.smtp, receivers.webhooks) = (ports["smtp"].as_u64().unwrap(), ports["webhooks"].as_u64().unwrap());
        receivers
    }

    /// Waits for something among what it has told.
    pub(crate) async fn wait<T>(&self, what: &str, find: impl Fn(&[Value]) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = find(&self.told.lock().unwrap()) {
                return found;
            }
            assert!(begun.elapsed() < TIMEOUT, "it did not come about: {what}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Closes the port for mail, or opens it again.
    pub(crate) async fn mail_is(&self, word: &str) {
        let before = self.told.lock().unwrap().iter().filter(|told| told["done"] == word).count();
        writeln!(self.input.lock().unwrap(), "{}", json!({ "mail": word })).unwrap();
        self.wait(word, |told| (told.iter().filter(|told| told["done"] == word).count() > before).then_some(())).await;
    }

    /// What was received of one sort, in order.
    pub(crate) async fn received(&self, sort: &str) -> Vec<Value> {
        // What it has told before it says this has been read as well.
        self.mail_is("looked for").await;
        self.told.lock().unwrap().iter().filter_map(|told| told.get(sort).cloned()).collect()
    }

    /// Whom mail has come for, in order.
    pub(crate) async fn recipients(&self) -> Vec<String> {
        let to = |mail: Value| {
            mail["to"].as_array().unwrap().iter().map(|to| to.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        self.received("mail").await.into_iter().map(|mail| to(mail).join(" ")).collect()
    }

    /// A mail as Python reads it.
    pub(crate) fn read(mail: &Value) -> Value {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/delivery/mail.py");
        let mut python =
            Command::new("python3").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let raw = BASE64.decode(mail["raw"].as_str().unwrap().as_bytes()).unwrap();
        python.stdin.take().unwrap().write_all(&raw).unwrap();
        let output = python.wait_with_output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
