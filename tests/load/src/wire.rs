//! How a client of each wire gets to where events come.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, ensure};
use socket2::{Domain, Socket, Type};

use crate::http;

/// Ephemeral ports are few: so many addresses of this machine are spread over.
const SOURCES: usize = 20;
/// How long each step on the way may take.
const TIMEOUT: Duration = Duration::from_secs(20);
const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Nothing: events come at once.
    Bare,
    /// `GET /events`.
    ServerSentEvents,
    /// SignalR over a WebSocket without negotiate, in JSON.
    HubJson,
    /// The same in MessagePack.
    HubMessagePack,
    /// SignalR over server-sent events: negotiate, GET, and the handshake as a POST.
    HubServerSentEvents,
}

impl Wire {
    /// All that a gateway speaks.
    pub const ALL: [Self; 4] = [Self::ServerSentEvents, Self::HubJson, Self::HubMessagePack, Self::HubServerSentEvents];

    /// Its name in a table, and as an argument.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::ServerSentEvents => "events",
            Self::HubJson => "hub-json",
            Self::HubMessagePack => "hub-messagepack",
            Self::HubServerSentEvents => "hub-sse",
        }
    }

    /// The wire of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Bare]).find(|wire| wire.name() == name)
    }

    /// What a client sends now and then so that the other side knows that it is there.
    pub fn ping(self) -> Option<Vec<u8>> {
        match self {
            Self::HubJson => Some(frame(TEXT, b"{\"type\":6}\x1e")),
            Self::HubMessagePack => Some(frame(BINARY, &[2, 0x91, 6])),
            Self::Bare | Self::ServerSentEvents | Self::HubServerSentEvents => None,
        }
    }
}

/// Opens connections to one place, one after another.
#[derive(Debug)]
pub struct Opener {
    wire: Wire,
    target: SocketAddr,
    opened: usize,
    /// For the POSTs of all connections.
    posts: Option<TcpStream>,
}

impl Opener {
    /// Opens connections of this wire.
    pub fn new(wire: Wire, target: SocketAddr) -> Self {
        Self { wire, target, opened: 0, posts: None }
    }

    /// A connection on which events come from now on, and what came with the last step.
    pub fn open(&mut self, token: &str) -> anyhow::Result<(TcpStream, Vec<u8>)> {
        let mut stream = self.connect()?;
        let authorization = format!("authorization: Bearer {token}\r\n");
        let rest = match self.wire {
            Wire::Bare => Vec::new(),
            Wire::ServerSentEvents => {
                http::send(&mut stream, "GET", "/events", &authorization, b"")?;
                http::head(&mut stream, 200)?.rest
            }
            Wire::HubJson => shake_hands(&mut stream, &authorization, "json")?,
            Wire::HubMessagePack => shake_hands(&mut stream, &authorization, "messagepack")?,
            Wire::HubServerSentEvents => self.stream_hub(&mut stream, &authorization)?,
        };
        Ok((stream, rest))
    }

    fn connect(&mut self) -> anyhow::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(self.target), Type::STREAM, None)?;
        if self.target.ip().is_loopback() && self.target.is_ipv4() {
            let last = u8::try_from(2 + self.opened % SOURCES)?;
            socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into())?;
        }
        self.opened += 1;
        socket.connect_timeout(&self.target.into(), TIMEOUT).context("connecting")?;
        socket.set_tcp_nodelay(true)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        Ok(socket.into())
    }

    fn stream_hub(&mut self, stream: &mut TcpStream, authorization: &str) -> anyhow::Result<Vec<u8>> {
        let negotiated = self.post("/hub/negotiate?negotiateVersion=1", authorization, b"")?;
        let id = quoted_after(&negotiated, "\"connectionToken\":").context("negotiate names no connectionToken")?;
        let target = format!("/hub?id={id}");
        let accept = format!("{authorization}accept: text/event-stream\r\n");
        http::send(stream, "GET", &target, &accept, b"")?;
        let mut rest = http::head(stream, 200)?.rest;
        self.post(&target, authorization, &handshake("json"))?;
        accepted(stream, &mut rest)?;
        Ok(rest)
    }

    fn post(&mut self, target: &str, authorization: &str, body: &[u8]) -> anyhow::Result<String> {
        let mut stream = match self.posts.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        let headers = format!("{authorization}content-type: text/plain;charset=UTF-8\r\n");
        http::send(&mut stream, "POST", target, &headers, body)?;
        let head = http::head(&mut stream, 200)?;
        let answer = http::body(&mut stream, head)?;
        self.posts = Some(stream);
        Ok(String::from_utf8(answer)?)
    }
}

fn shake_hands(stream: &mut TcpStream, authorization: &str, encoding: &str) -> anyhow::Result<Vec<u8>> {
    http::send(stream, "GET", "/hub", &format!("{authorization}{UPGRADE}"), b"")?;
    let mut rest = http::head(stream, 101)?.rest;
    std::io::Write::write_all(stream, &frame(TEXT, &handshake(encoding)))?;
    accepted(stream, &mut rest)?;
    Ok(rest)
}

/// Reads until the handshake's answer is there.
fn accepted(stream: &mut TcpStream, rest: &mut Vec<u8>) -> anyhow::Result<()> {
    while memchr::memmem::find(rest, b"{}\x1e").is_none() {
        ensure!(memchr::memmem::find(rest, b"\"error\"").is_none(), "{}", String::from_utf8_lossy(rest));
        http::more(stream, rest)?;
    }
    Ok(())
}

fn handshake(encoding: &str) -> Vec<u8> {
    format!("{{\"protocol\":\"{encoding}\",\"version\":1}}\x1e").into_bytes()
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// A client's WebSocket frame of less than 126 bytes. Its mask is zero, which leaves the payload as it is.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).ok().filter(|length| *length < 126).expect("what a client sends is short");
    [&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

fn quoted_after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = text.split_once(name)?.1.trim_start().strip_prefix('"')?;
    value.split_once('"').map(|(value, _)| value)
}
