//! The little HTTP/1.1 that getting to a stream takes: a request, and the head of its answer.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use anyhow::{Context, bail, ensure};

/// Most bytes of an answer's head.
const HEAD: usize = 8192;

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    /// As in `200`.
    pub status: u16,
    /// Bytes of the body that came with it.
    pub rest: Vec<u8>,
    length: usize,
}

/// Sends a request; `headers` are whole lines, each ended by CR and LF.
pub fn send(stream: &mut TcpStream, method: &str, target: &str, headers: &str, body: &[u8]) -> anyhow::Result<()> {
    let length = if method == "POST" { format!("content-length: {}\r\n", body.len()) } else { String::new() };
    let head = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n{headers}{length}\r\n", stream.peer_addr()?);
    // In one write, for there is nobody behind it who would wait for more.
    Ok(stream.write_all(&[head.as_bytes(), body].concat())?)
}

/// Reads the head of an answer, which must have this status.
pub fn head(stream: &mut TcpStream, status: u16) -> anyhow::Result<Head> {
    let mut bytes = Vec::new();
    let end = loop {
        ensure!(bytes.len() < HEAD, "an answer's head has more than {HEAD} bytes");
        more(stream, &mut bytes)?;
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
    };
    let rest = bytes.split_off(end);
    let text = String::from_utf8(bytes).context("an answer's head is no text")?;
    let answered = text.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status")?;
    let length = text.lines().filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.next().map_or(Ok(0), |(_, value)| value.trim().parse())?;
    let head = Head { status: answered, rest, length };
    if answered != status {
        let body = body(stream, head)?;
        bail!("answered {answered} where {status} was to come: {}", String::from_utf8_lossy(&body));
    }
    Ok(head)
}

/// Reads the body of an answer that names its length.
pub fn body(stream: &mut TcpStream, head: Head) -> anyhow::Result<Vec<u8>> {
    let mut body = head.rest;
    while body.len() < head.length {
        more(stream, &mut body)?;
    }
    Ok(body)
}

/// Reads what comes next.
pub fn more(stream: &mut TcpStream, into: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer)?;
    ensure!(count > 0, "the other side has closed");
    into.extend_from_slice(&buffer[..count]);
    Ok(())
}
