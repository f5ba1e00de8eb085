//! A client of the hub, message by message, over each transport.

use std::{collections::VecDeque, pin::Pin};

use bytes::Bytes;
use futures_util::{SinkExt, Stream, StreamExt};
use serde_json::{Value, json};
use signalr::{Encoding, Message, Outcome, Reader};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite};

use crate::{TIMEOUT, http_client::http_client};

/// What carries the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    WebSockets,
    ServerSentEvents,
    LongPolling,
}

/// All that a client can choose.
pub const DOORS: [(Transport, Encoding); 5] = [
    (Transport::WebSockets, Encoding::Json),
    (Transport::WebSockets, Encoding::MessagePack),
    (Transport::ServerSentEvents, Encoding::Json),
    (Transport::LongPolling, Encoding::Json),
    (Transport::LongPolling, Encoding::MessagePack),
];

/// A connected client.
pub struct Hub {
    /// Its connection token.
    pub id: String,
    link: Link,
    encoding: Encoding,
    reader: Reader,
    came: VecDeque<Message>,
    invocations: u32,
}

pub enum Link {
    WebSocket(Box<WebSocketStream<TcpStream>>),
    Stream { url: String, bytes: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>, rest: Vec<u8> },
    Polls { url: String, is_over: bool },
}

impl Hub {
    /// Negotiates, connects and shakes hands; `query` is what stands in the URL beside that, such as `after=now`.
    pub async fn connect(base: &str, token: &str, door: (Transport, Encoding), query: &str) -> Self {
        Self::try_connect(base, token, door, query).await.unwrap_or_else(|why| panic!("{door:?}: {why}"))
    }

    /// The same, or what the handshake's answer says.
    pub async fn try_connect(
        base: &str,
        token: &str,
        door: (Transport, Encoding),
        query: &str,
    ) -> Result<Self, String> {
        let (mut link, id) = Link::open(base, token, door.0, query).await?;
        let handshake = json!({ "protocol": door.1.as_str(), "version": 1 });
        link.send(format!("{handshake}\x1e").into_bytes(), false).await;
        let mut greeting = Vec::new();
        let end = loop {
            greeting.extend(link.receive().await.ok_or("the connection ended before the handshake's answer")?);
            if let Some(end) = greeting.iter().position(|byte| *byte == 0x1e) {
                break end;
            }
        };
        let answer: Value = serde_json::from_slice(&greeting[..end]).unwrap();
        if let Some(error) = answer.get("error") {
            return Err(error.as_str().unwrap().to_owned());
        }
        let mut reader = Reader::new(door.1, 1 << 20);
        reader.push(&greeting[end + 1..]);
        Ok(Self { id, link, encoding: door.1, reader, came: VecDeque::new(), invocations: 0 })
    }

    /// The next message but for pings; `None` at the end.
    pub async fn next(&mut self) -> Option<Message> {
        if let Some(message) = self.came.pop_front() {
            return Some(message);
        }
        self.next_on_the_wire().await
    }

    async fn next_on_the_wire(&mut self) -> Option<Message> {
        timeout(TIMEOUT, async {
            loop {
                match self.reader.next().unwrap() {
                    Some(Message::Ping) => {}
                    Some(message) => return Some(message),
                    None => self.reader.push(&self.link.receive().await?),
                }
            }
        })
        .await
        .expect("something comes")
    }

    /// The next call of one of the client's methods: its name and argument.
    pub async fn next_call(&mut self) -> (String, Value) {
        match self.next().await {
            Some(Message::Invocation { id: None, target, mut arguments, .. }) if arguments.len() == 1 => {
                (target, arguments.remove(0))
            }
            other => panic!("no call came, but {other:?}"),
        }
    }

    /// The next event; what else the client is called with is let go.
    pub async fn next_event(&mut self) -> Value {
        loop {
            let (target, argument) = self.next_call().await;
            if target == "event" {
                return argument;
            }
        }
    }

    /// The `id`s of the next events.
    pub async fn next_ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while ids.len() < count {
            ids.push(self.next_event().await["id"].as_str().unwrap().to_owned());
        }
        ids
    }

    /// Invokes a method and waits for what comes of it; other messages are kept.
    pub async fn invoke(&mut self, target: &str, arguments: Vec<Value>) -> Outcome {
        self.invocations += 1;
        let id = self.invocations.to_string();
        self.say(&Message::Invocation { id: Some(id.clone()), target: target.to_owned(), arguments, streams: vec![] })
            .await;
        loop {
            match self.next_on_the_wire().await {
                Some(Message::Completion { id: answered, outcome }) if answered == id => return outcome,
                Some(other) => self.came.push_back(other),
                None => panic!("the connection ended before {target} was answered"),
            }
        }
    }

    /// Sends a message.
    pub async fn say(&mut self, message: &Message) {
        self.send(self.encoding.write(message)).await;
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: Vec<u8>) {
        self.link.send(bytes, self.encoding == Encoding::MessagePack).await;
    }

    /// Why the connection ends: the close message's words, and whether the client may come back.
    pub async fn closed(&mut self) -> (Option<String>, bool) {
        loop {
            match self.next().await {
                Some(Message::Close { error, allow_reconnect }) => return (error, allow_reconnect),
                Some(_) => {}
                None => panic!("it ended without a word"),
            }
        }
    }

    /// What carries it.
    pub fn link(&mut self) -> &mut Link {
        &mut self.link
    }
}

impl Link {
    async fn open(base: &str, token: &str, transport: Transport, query: &str) -> Result<(Self, String), String> {
        let client = http_client();
        let negotiate = format!("{base}/hub/negotiate?negotiateVersion=1&{query}");
        let negotiated = client.post(negotiate).bearer_auth(token).send().await.unwrap();
        assert_eq!(negotiated.status(), 200, "{}", negotiated.text().await.unwrap());
        let negotiated: Value = negotiated.json().await.unwrap();
        let id = negotiated["connectionToken"].as_str().unwrap_or_else(|| panic!("{negotiated}")).to_owned();
        let url = format!("{base}/hub?{query}&access_token={token}&id={id}");
        let accepted = async |answer: reqwest::Response| match answer.status().as_u16() {
            200 => Ok(answer),
            status => Err(format!("HTTP {status}: {}", answer.text().await.unwrap())),
        };
        let link = match transport {
            Transport::WebSockets => Self::web_socket(&url).await.map_err(|error| match error {
                tungstenite::Error::Http(answer) => {
                    let body = answer.body().as_deref().unwrap_or_default();
                    format!("HTTP {}: {}", answer.status().as_u16(), String::from_utf8_lossy(body))
                }
                other => other.to_string(),
            })?,
            Transport::ServerSentEvents => {
                let answer = client.get(&url).header("accept", "text/event-stream").send().await.unwrap();
                let answer = accepted(answer).await?;
                Self::Stream { url, bytes: Box::pin(answer.bytes_stream()), rest: Vec::new() }
            }
            Transport::LongPolling => {
                let first = accepted(client.get(&url).send().await.unwrap()).await?;
                assert_eq!(first.bytes().await.unwrap().len(), 0);
                Self::Polls { url, is_over: false }
            }
        };
        Ok((link, id))
    }

    /// A WebSocket at this URL, negotiated or not.
    pub async fn web_socket(url: &str) -> Result<Self, tungstenite::Error> {
        let url = url.replacen("http", "ws", 1);
        let host = url.split('/').nth(2).unwrap().to_owned();
        let socket = TcpStream::connect(host).await.unwrap();
        let (socket, _) = client_async(url, socket).await?;
        Ok(Self::WebSocket(Box::new(socket)))
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: Vec<u8>, is_binary: bool) {
        match self {
            Self::WebSocket(socket) => {
                let frame = match is_binary {
                    true => tungstenite::Message::Binary(bytes.into()),
                    false => tungstenite::Message::Text(String::from_utf8(bytes).unwrap().into()),
                };
                socket.send(frame).await.ok();
            }
            Self::Stream { url, .. } | Self::Polls { url, .. } => {
                let answer = http_client().post(&*url).body(bytes).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
            }
        }
    }

    /// The next bytes; `None` at the end.
    pub async fn receive(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::WebSocket(socket) => loop {
                match socket.next().await?.ok()? {
                    tungstenite::Message::Text(text) => return Some(text.as_bytes().to_vec()),
                    tungstenite::Message::Binary(bytes) => return Some(bytes.to_vec()),
                    tungstenite::Message::Close(_) => return None,
                    _ => {}
                }
            },
            Self::Stream { bytes, rest, .. } => loop {
                if let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
                    let event: Vec<u8> = rest.drain(..end + 4).collect();
                    return Some(event.strip_prefix(b"data: ").unwrap()[..end - 6].to_vec());
                }
                rest.extend(bytes.next().await?.ok()?);
            },
            Self::Polls { url, is_over } => {
                while !*is_over {
                    let answer = http_client().get(&*url).send().await.unwrap();
                    *is_over = answer.status() != 200;
                    let bytes = answer.bytes().await.unwrap();
                    if !*is_over && !bytes.is_empty() {
                        return Some(bytes.to_vec());
                    }
                }
                None
            }
        }
    }
}
