//! A connection to the broker that a test can cut, hold back and restore.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

/// What the proxy does with what passes through it.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// How often it was cut: a connection ends when this rises, however soon it is restored.
    cuts: u64,
    /// Whether new connections end at once.
    is_cut: bool,
    /// Whether answers are kept back.
    is_held: bool,
    /// Through so many of the connections, counted from the first, nothing passes.
    stopped: usize,
}

/// Passes TCP connections on to an address; ends with all of them when dropped.
#[derive(Debug)]
pub struct NetworkProxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    _passing: AbortOnDropHandle<()>,
}

impl NetworkProxy {
    /// Begins to listen on a free port of this machine.
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, seen) = watch::channel(State::default());
        let passing = tokio::spawn(accept(listener, target, seen));
        Self { address, state, _passing: AbortOnDropHandle::new(passing) }
    }

    /// This address of a broker, but through the proxy.
    pub fn through(&self, url: &str) -> String {
        let mut url = url::Url::parse(url).unwrap();
        url.set_host(Some(&self.address.ip().to_string())).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.into()
    }

    /// Ends all connections, and new ones at once.
    pub fn cut(&self) {
        self.state.send_modify(|state| *state = State { cuts: state.cuts + 1, is_cut: true, ..State::default() });
    }

    /// Ends new connections at once; those there are live on.
    pub fn refuse(&self) {
        self.state.send_modify(|state| state.is_cut = true);
    }

    /// Keeps all answers back.
    pub fn hold(&self) {
        self.state.send_modify(|state| state.is_held = true);
    }

    /// Keeps back what passes through so many connections, counted from the first that there was.
    pub fn stop_first(&self, count: usize) {
        self.state.send_modify(|state| state.stopped = count);
    }

    /// Lets everything through again.
    pub fn restore(&self) {
        self.state.send_modify(|state| *state = State { cuts: state.cuts, ..State::default() });
    }
}

/// A proxy to the broker at this address of AMQP.
pub async fn relay_to(url: &str) -> NetworkProxy {
    let url = url::Url::parse(url).unwrap();
    NetworkProxy::to(format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5672))).await
}

async fn accept(listener: TcpListener, target: String, state: watch::Receiver<State>) {
    // Dropped with this future, and with it all that passes.
    let mut pairs = JoinSet::new();
    for number in 0.. {
        let (near, _) = listener.accept().await.unwrap();
        pairs.spawn(pass((number, near), target.clone(), state.clone()));
    }
}

async fn pass((number, near): (usize, TcpStream), target: String, mut state: watch::Receiver<State>) {
    let born = *state.borrow();
    if born.is_cut {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    let requests = relay((from_near, to_far), state.clone(), |state| number >= state.stopped);
    let answers = relay((from_far, to_near), state.clone(), |state| number >= state.stopped && !state.is_held);
    tokio::select! {
        biased;
        // First: what was kept back until the cut must not slip through.
        _ = state.wait_for(|state| state.cuts != born.cuts) => {}
        () = requests => {}
        () = answers => {}
    }
}

async fn relay(
    (mut from, mut to): (OwnedReadHalf, OwnedWriteHalf),
    mut state: watch::Receiver<State>,
    passes: impl Fn(&State) -> bool,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let let_through = state.wait_for(&passes).await.is_ok();
        if !let_through || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
