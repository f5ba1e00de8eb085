//! The gateway as it ships (settings, logs, admin port, signals), over a RabbitMQ as its own user.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::ExitCode,
    time::{Duration, Instant},
};

use process::Options;
use scenarios::{TestBackplane, test_backplane::Role};
use tempfile::TempDir;

use crate::child::{self, Process};

/// The key of the environment's tokens.
pub(crate) const SECRET: &str = "a secret of the bench, which is long enough";
const READY: Duration = Duration::from_secs(60);

/// A gateway that serves `prod`.
pub(crate) struct Pod {
    pub(crate) process: Process,
    pub(crate) address: String,
    _folder: TempDir,
}

/// The life of a gateway, in the process that was started for it.
pub(crate) fn live(settings: &str) -> ExitCode {
    child::end_with_parent();
    let options = Options { config: Some(settings.into()), set: Vec::new() };
    process::run("bellwire-gateway", &options, gateway::serve)
}

impl Pod {
    /// Starts one with these lines in `[gateway]`, and waits until it is ready.
    pub(crate) fn start(test_backplane: &TestBackplane, lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [address, admin] = free_addresses();
        let TestBackplane::RabbitMq { prefix, .. } = test_backplane else { panic!("it is about RabbitMQ") };
        let url = test_backplane.config(&"prod".parse().unwrap(), Role::Gateway).url;
        let settings = format!(
            "[gateway]\nlisten = '{address}'\nadmin_listen = '{admin}'\n{lines}\n[log]\nfilter = 'warn'\n\
             [backplane]\nurl = '{url}'\nprefix = '{prefix}'\n[storage]\nurl = 'file:{}'\n\
             [[environment]]\nname = 'prod'\nhs256_secret = '{SECRET}'\n",
            folder.path().join("files").display(),
        );
        let path = folder.path().join("bellwire.toml");
        std::fs::write(&path, settings).unwrap();
        let process = Process::start(&["gateway", path.to_str().unwrap()]);
        let deadline = Instant::now() + READY;
        while !is_ready(&admin) {
            assert!(Instant::now() < deadline, "the gateway does not get ready");
            child::wait(Duration::from_millis(20));
        }
        Self { process, address, _folder: folder }
    }
}

fn is_ready(admin: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin) else { return false };
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.0 200")
}

fn free_addresses() -> [String; 2] {
    // Both at once, so that they differ.
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().to_string())
}
