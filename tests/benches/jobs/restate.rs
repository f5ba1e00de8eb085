//! Restate's server of npm, started and ended by the benchmark, with its data in a folder of its own.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{net::TcpStream, time::sleep};

use crate::{TIMEOUT, peers::Peers, program::Role, side::Side};

/// The running server.
pub(crate) struct Restate {
    server: Child,
    ingress: u16,
    admin: u16,
    _data: TempDir,
}

impl Restate {
    pub(crate) async fn start(peers: &Peers) -> Self {
        let data = TempDir::new().unwrap();
        let [ingress, admin, node] = free_ports();
        let mut command = peers.command("node");
        command.arg("node_modules/.bin/restate-server").env("RESTATE_BASE_DIR", data.path());
        command
            .env("RESTATE_INGRESS__BIND_ADDRESS", address(ingress))
            .env("RESTATE_ADMIN__BIND_ADDRESS", address(admin));
        command.env("RESTATE_BIND_ADDRESS", address(node)).env("RESTATE_LISTEN_MODE", "tcp");
        command.env("RESTATE_DISABLE_TELEMETRY", "true").env("RESTATE_LOG_FILTER", "off");
        let server = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        for port in [ingress, admin] {
            while TcpStream::connect(address(port)).await.is_err() {
                assert!(began.elapsed() < TIMEOUT, "restate-server does not listen");
                sleep(Duration::from_millis(50)).await;
            }
        }
        Self { server, ingress, admin, _data: data }
    }

    pub(crate) fn side(&self, peers: &Peers) -> Side {
        let (ingress, admin, folder) = (self.ingress, self.admin, peers.folder());
        let program = move |_: &str| {
            let mut command = Command::new("node");
            command.arg("restate.mjs").current_dir(&folder).env("RESTATE_LOGGING", "ERROR");
            command.env("BENCH_URL", format!("http://{}", address(ingress)));
            command.env("BENCH_ADMIN", format!("http://{}", address(admin)));
            let [port] = free_ports();
            command.env("BENCH_PORT", port.to_string());
            command
        };
        Side {
            name: "restate",
            contract: "each step in the server's log, synced, before the next begins in the same process; the end is the answer to a call",
            teller: Role::Work,
            service: ingress,
            program: Box::new(program),
        }
    }
}

impl Drop for Restate {
    fn drop(&mut self) {
        // The program of npm passes it on.
        Command::new("kill").arg(self.server.id().to_string()).status().ok();
        self.server.wait().ok();
    }
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// Ports that nobody listens on.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
