//! A network to a server that can be cut, and that notes what is asked over it.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// What becomes of a request that the server shall not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swallowing {
    Nothing,
    Next(&'static str),
    /// It has come, and waits for an answer.
    Waiting,
    /// Who sent it has closed the connection.
    GivenUp,
}

/// Forwards to a server until it is cut; ends when dropped.
pub(crate) struct Relay {
    pub(crate) url: String,
    is_cut: watch::Sender<bool>,
    asked: Arc<Mutex<Vec<String>>>,
    swallowing: watch::Sender<Swallowing>,
    _connections: JoinSet<()>,
}

impl Relay {
    /// A relay to the server at `http://…`.
    pub(crate) async fn to(url: &str) -> Self {
        let server = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (is_cut, asked) = (watch::Sender::new(false), Arc::default());
        let swallowing = watch::Sender::new(Swallowing::Nothing);
        let mut _connections = JoinSet::new();
        _connections.spawn(accept(listener, server, is_cut.clone(), Seen(Arc::clone(&asked), swallowing.clone())));
        Self { url, is_cut, asked, swallowing, _connections }
    }

    /// Ends every connection, and takes none until it is not cut any more.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.send_replace(is_cut);
    }

    /// Keeps the next request that begins so from the server, and answers nothing.
    pub(crate) fn swallow(&self, method: &'static str) {
        self.swallowing.send_replace(Swallowing::Next(method));
    }

    /// Waits until such a request has come.
    pub(crate) async fn swallowed(&self) {
        self.swallowing.subscribe().wait_for(|state| *state == Swallowing::Waiting).await.unwrap();
    }

    /// Waits until who sent it has closed its connection.
    pub(crate) async fn given_up(&self) {
        self.swallowing.subscribe().wait_for(|state| *state == Swallowing::GivenUp).await.unwrap();
    }

    /// The first lines of all requests.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// What was asked, and what is kept from the server.
#[derive(Clone)]
struct Seen(Arc<Mutex<Vec<String>>>, watch::Sender<Swallowing>);

async fn accept(listener: TcpListener, server: String, is_cut: watch::Sender<bool>, seen: Seen) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (server, mut cut, seen) = (server.clone(), is_cut.subscribe(), seen.clone());
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else { return };
            let ((from_client, mut to_client), (mut from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                _ = cut.wait_for(|is_cut| *is_cut) => {}
                () = forward(from_client, to_server, &seen) => {}
                _ = copy(&mut from_server, &mut to_client) => {}
            }
        });
    }
}

async fn forward(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, Seen(asked, swallowing): &Seen) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read @ 1..) = client.read(&mut bytes).await {
        // A request begins with what is sent at once.
        if let Some(line) = bytes[..read].split(|byte| *byte == b'\n').next().and_then(|line| str::from_utf8(line).ok())
            && line.trim_end().ends_with("HTTP/1.1")
        {
            asked.lock().unwrap().push(line.trim_end().to_owned());
            if matches!(*swallowing.borrow(), Swallowing::Next(method) if line.starts_with(method)) {
                swallowing.send_replace(Swallowing::Waiting);
                while let Ok(1..) = client.read(&mut bytes).await {}
                swallowing.send_replace(Swallowing::GivenUp);
                return;
            }
        }
        if server.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
