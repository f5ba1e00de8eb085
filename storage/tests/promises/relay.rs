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

/// Forwards to a server until it is cut; ends when dropped.
pub(crate) struct Relay {
    pub(crate) url: String,
    is_cut: watch::Sender<bool>,
    asked: Arc<Mutex<Vec<String>>>,
    _connections: JoinSet<()>,
}

impl Relay {
    /// A relay to the server at `http://…`.
    pub(crate) async fn to(url: &str) -> Self {
        let server = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (is_cut, asked) = (watch::Sender::new(false), Arc::default());
        let mut _connections = JoinSet::new();
        _connections.spawn(accept(listener, server, is_cut.clone(), Arc::clone(&asked)));
        Self { url, is_cut, asked, _connections }
    }

    /// Ends every connection, and takes none until it is not cut any more.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.send_replace(is_cut);
    }

    /// The first lines of all requests.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, server: String, is_cut: watch::Sender<bool>, asked: Arc<Mutex<Vec<String>>>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (server, mut cut, asked) = (server.clone(), is_cut.subscribe(), asked.clone());
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else { return };
            let ((from_client, mut to_client), (mut from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                _ = cut.wait_for(|is_cut| *is_cut) => {}
                () = forward(from_client, to_server, &asked) => {}
                _ = copy(&mut from_server, &mut to_client) => {}
            }
        });
    }
}

async fn forward(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, asked: &Mutex<Vec<String>>) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read @ 1..) = client.read(&mut bytes).await {
        // A request begins with what is sent at once.
        if let Some(line) = bytes[..read].split(|byte| *byte == b'\n').next().and_then(|line| str::from_utf8(line).ok())
            && line.trim_end().ends_with("HTTP/1.1")
        {
            asked.lock().unwrap().push(line.trim_end().to_owned());
        }
        if server.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
