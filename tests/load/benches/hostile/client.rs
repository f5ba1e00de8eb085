//! The attacker's connection: plain HTTP/1.1 and WebSocket frames, as fast as they can be written.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::Context;
use gateway::{Claims, Key};
use load::http;

use crate::pod::SECRET;

/// How long an answer may take before the attacker goes on.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are read.
const BODY: usize = 64 << 20;

/// A token of `prod`, with the scope that starts tasks and keeps files.
pub(crate) fn token(user: &str) -> String {
    let claims = Claims {
        sub: user.to_owned(),
        env: "prod".to_owned(),
        groups: vec!["everybody".to_owned()],
        scope: "tasks".to_owned(),
        exp: jiff::Timestamp::now().as_second() + 3600,
        iat: None,
        iss: None,
        aud: None,
    };
    Key::hs256(SECRET.as_bytes(), None, None).sign(&claims).unwrap()
}

/// A connection to the gateway.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    authorization: String,
}

/// An answer: its status, and as much of its body as was asked for.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, authorization: format!("authorization: Bearer {token}\r\n") })
    }

    /// Sends a request and waits for the head of its answer, and for its body where that has a length.
    pub(crate) fn request(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> anyhow::Result<Answer> {
        self.send(method, target, headers, body.len(), body)?;
        self.answer()
    }

    /// Sends a request that announces so many bytes, and only these of them.
    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &str,
        length: usize,
        body: &[u8],
    ) -> anyhow::Result<()> {
        let length = if method == "GET" { String::new() } else { format!("content-length: {length}\r\n") };
        let head =
            format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n{}{headers}{length}\r\n", self.authorization);
        Ok(self.stream.write_all(&[head.as_bytes(), body].concat())?)
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> anyhow::Result<Answer> {
        let mut bytes = Vec::new();
        let end = loop {
            http::more(&mut self.stream, &mut bytes)?;
            if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
                break end + 4;
            }
            anyhow::ensure!(bytes.len() < BODY, "a head without an end");
        };
        let mut body = bytes.split_off(end);
        let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status")?;
        let length = head.split("content-length:").nth(1).and_then(|rest| rest.split('\r').next()?.trim().parse().ok());
        while body.len() < length.unwrap_or(0) {
            http::more(&mut self.stream, &mut body)?;
        }
        Ok(Answer { status, body })
    }

    /// A session of the hub over a WebSocket, and the cursor that it was told.
    pub(crate) fn open_hub(&mut self) -> anyhow::Result<String> {
        let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let answer = self.request("GET", "/hub?after=now", upgrade, b"")?;
        anyhow::ensure!(answer.status == 101, "{}", answer.status);
        self.stream.write_all(&frame(TEXT, b"{\"protocol\":\"json\",\"version\":1}\x1e"))?;
        let mut received = answer.body;
        loop {
            let text = String::from_utf8_lossy(&received).into_owned();
            if let Some(cursor) = text.split("\"target\":\"cursor\",\"arguments\":[\"").nth(1)
                && let Some((cursor, _)) = cursor.split_once('"')
            {
                return Ok(cursor.to_owned());
            }
            http::more(&mut self.stream, &mut received)?;
        }
    }
}

pub(crate) const TEXT: u8 = 1;
pub(crate) const PING: u8 = 9;

/// A client's WebSocket frame. Its mask is zero, which leaves the payload as it is.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..126) => frame.push(0x80 | length as u8),
        Ok(length) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame
}
