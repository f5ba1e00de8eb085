//! A client of HTTP/2: any number of requests on one connection.

use bytes::Bytes;
use futures_util::stream;
use h2::client::SendRequest;
use reqwest::RequestBuilder;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::http::{Request, Response};
use tokio_util::sync::CancellationToken;

use crate::{EventStream, TIMEOUT, http_client::http_client};

/// A connection, until the last clone is dropped and its streams have ended.
#[derive(Clone)]
pub struct Http2 {
    send: SendRequest<Bytes>,
    ended: CancellationToken,
}

impl Http2 {
    /// Connects to a pod that is known to speak it (h2c).
    pub async fn connect(base: &str) -> Self {
        let socket = TcpStream::connect(base.split('/').nth(2).unwrap()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Self::over(socket).await
    }

    /// Speaks over a socket.
    pub async fn over(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        // A stream that is not read shall hold up no other.
        let handshake = h2::client::Builder::new().initial_connection_window_size(1 << 26).handshake(socket);
        let (send, connection) = handshake.await.unwrap();
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        tokio::spawn(async move {
            connection.await.ok();
            drop(guard);
        });
        Self { send, ended }
    }

    /// Waits until the connection has ended.
    pub async fn ended(&self) {
        tokio::time::timeout(TIMEOUT, self.ended.cancelled()).await.expect("the connection ends");
    }

    /// Sends a request; the error is a reset or the connection's end.
    pub async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, h2::Error> {
        let request = request.build().unwrap();
        let mut head = Request::builder().method(request.method()).uri(request.url().as_str());
        *head.headers_mut().unwrap() = request.headers().clone();
        let body = request.body().and_then(|body| body.as_bytes()).map(Bytes::copy_from_slice);
        let mut send = self.send.clone().ready().await?;
        let (answer, mut stream) = send.send_request(head.body(()).unwrap(), body.is_none())?;
        if let Some(body) = body {
            // It may have been answered already.
            stream.send_data(body, true).ok();
        }
        let (head, body) = answer.await?.into_parts();
        // What is not read opens no window.
        let bytes = stream::unfold(body, |mut body| async {
            let data = body.data().await?;
            if let Ok(data) = &data {
                body.flow_control().release_capacity(data.len()).ok();
            }
            Some((data, body))
        });
        Ok(Response::from_parts(head, reqwest::Body::wrap_stream(bytes)).into())
    }

    /// Listens to `GET /events`, and waits for the first cursor.
    pub async fn events(&self, base: &str, token: &str, after: Option<&str>) -> EventStream {
        let mut request = http_client().get(format!("{base}/events")).bearer_auth(token);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        EventStream::of(self.send(request).await.unwrap()).await
    }
}
