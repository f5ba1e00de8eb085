//! A whole gateway in this process, on a port of loopback, over a backplane in memory.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    panic,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use backplane::{Backplane, ControlMessage, memory::Broker};
use gateway::{Claims, Gateway, GatewayConfig, Key, ServedEnvironment};
use model::Environment;
use process::Readiness;
use serde_json::json;
use socket2::SockRef;
use storage::{Storage, StorageConfig};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

/// Whatever takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 64 * 1024;

/// The pod of all targets of this process.
pub(crate) static POD: LazyLock<Pod> = LazyLock::new(Pod::start);

/// A running gateway.
pub(crate) struct Pod {
    runtime: Runtime,
    address: SocketAddr,
    backplane: Backplane,
    /// A token of `ada` with all scopes.
    pub(crate) token: String,
    /// Set once any of its tasks has panicked.
    has_panicked: Arc<AtomicBool>,
}

impl Pod {
    fn start() -> Self {
        let has_panicked = Arc::new(AtomicBool::new(false));
        let (noted, before) = (has_panicked.clone(), panic::take_hook());
        panic::set_hook(Box::new(move |info| {
            noted.store(true, Ordering::SeqCst);
            before(info);
        }));
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = threads.expect("a thread can be started");
        let name: Environment = "dev".parse().expect("it is a name");
        let key = Key::hs256(b"0123456789abcdef0123456789abcdef", None, None);
        let scope = "tasks publish publish:tasks publish:everywhere";
        let claims = json!({ "sub": "ada", "env": "dev", "groups": ["ops"], "scope": scope, "exp": 4_102_444_800_u64 });
        let claims: Claims = serde_json::from_value(claims).expect("these are claims");
        let token = key.sign(&claims).expect("claims can be signed");
        let backplane = Broker::new().environment(&name);
        let served = vec![ServedEnvironment { name, key, backplane: backplane.clone() }];
        let config = GatewayConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            poll_timeout: Duration::from_millis(1),
            // Small, so that a run of hours holds no more.
            window_bytes: 1 << 20,
            largest_file: 1 << 10,
            ..GatewayConfig::default()
        };
        let address = runtime.block_on(async {
            // A program with libFuzzer's `main` would end where a client has gone; tokio handles it from here on.
            drop(signal(SignalKind::pipe()).expect("a signal can be handled"));
            let storage = Storage::open(&StorageConfig::at("memory:")).expect("it is an address");
            let readiness = Readiness::default();
            let gateway = Gateway::bind(config, served, storage, false, &readiness, process::Telemetry::default())
                .expect("a port is free");
            let address = gateway.address().expect("it is bound");
            tokio::spawn(gateway.run(std::future::pending()));
            readiness.ready().await;
            address
        });
        Self { runtime, address, backplane, token, has_panicked }
    }

    /// Sends these bytes on a connection of their own and reads the beginning of the answer: a head at least, if there
    /// is one.
    pub(crate) fn exchange(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).expect("the pod accepts connections");
        // Reset at the end, since a port that lingers is lost to the next ten thousand requests.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("it is a socket");
        stream.set_read_timeout(Some(DEADLINE)).expect("it is a duration");
        let mut answer = Vec::new();
        // The pod may have refused it before it has read all of it.
        if stream.write_all(request).and_then(|()| stream.shutdown(Shutdown::Write)).is_ok() {
            let mut piece = [0; 4096];
            while answer.len() < MAX_ANSWER && !is_stream(&answer) {
                match stream.read(&mut piece) {
                    Ok(0) => break,
                    Ok(read) => answer.extend_from_slice(&piece[..read]),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the pod does not answer"),
                    Err(_) => break,
                }
            }
        }
        self.check();
        answer
    }

    /// Sends a control message as another pod would.
    pub(crate) fn control(&self, message: &ControlMessage) {
        // Too large a one is refused by the backplane.
        self.runtime.block_on(self.backplane.control.send(message)).ok();
    }

    /// Nothing in it has panicked.
    pub(crate) fn check(&self) {
        assert!(!self.has_panicked.load(Ordering::SeqCst), "a task of the gateway has panicked");
    }
}

/// True if an answer has no end of its own.
fn is_stream(answer: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&answer[..answer.len().min(1024)]);
    head.contains("\r\n\r\n") && (head.starts_with("HTTP/1.1 101") || head.contains("text/event-stream"))
}
