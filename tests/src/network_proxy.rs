//! A network that can be cut: everything to the broker goes through it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// Forwards to a target until cut; ends when dropped.
pub struct NetworkProxy {
    pub address: SocketAddr,
    open: watch::Sender<bool>,
    /// Cancelled by a cut; a new one for the connections after it.
    living: Arc<Mutex<CancellationToken>>,
    _task: AbortOnDropHandle<()>,
}

impl NetworkProxy {
    /// A proxy to `host:port` on a free port; open, or cut from the start.
    pub async fn to(target: String, is_open: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = watch::Sender::new(is_open);
        let living = Arc::new(Mutex::new(CancellationToken::new()));
        let task = tokio::spawn(forward(listener, target, open.subscribe(), living.clone()));
        Self { address, open, living, _task: AbortOnDropHandle::new(task) }
    }

    /// Breaks every connection and takes no new one.
    pub fn cut(&self) {
        self.open.send_replace(false);
        self.living.lock().unwrap().cancel();
    }

    /// Takes connections again.
    pub fn restore(&self) {
        *self.living.lock().unwrap() = CancellationToken::new();
        self.open.send_replace(true);
    }
}

async fn forward(
    listener: TcpListener,
    target: String,
    open: watch::Receiver<bool>,
    living: Arc<Mutex<CancellationToken>>,
) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        if !*open.borrow() {
            continue;
        }
        let (target, cut) = (target.clone(), living.lock().unwrap().clone());
        connections.spawn(async move {
            let Ok(mut server) = TcpStream::connect(&target).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                () = cut.cancelled() => {}
            }
        });
    }
}
