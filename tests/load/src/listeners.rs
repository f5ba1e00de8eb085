//! Thousands of connections in one thread.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::{
    tally::{self, Heard, Tally},
    wire::{Opener, Wire},
};

/// Clients of SignalR say every 15 s that they are there; each here within this.
const PING_ROUND: Duration = Duration::from_secs(10);
/// Pings are spread over the round, so many steps.
const PING_STEPS: u32 = 100;
const READ: usize = 256 * 1024;

/// Connections of one wire to one place.
pub struct Listeners {
    poll: Poll,
    connections: Vec<Connection>,
    tally: Tally,
    buffer: Vec<u8>,
    ping: Option<Vec<u8>>,
    next_ping: Instant,
    /// Who pings next.
    pinging: usize,
    /// What was read when the first event came alone.
    frame: Option<Vec<u8>>,
}

struct Connection {
    stream: TcpStream,
    heard: Heard,
}

/// Which connections are opened.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    /// What they speak.
    pub wire: Wire,
    /// To whom.
    pub target: SocketAddr,
    /// How many.
    pub count: usize,
    /// The number of the first event that each must get.
    pub first: u32,
}

impl Listeners {
    /// Opens them, each with a token of its own; from now on each must get every event.
    pub fn open(opened: Opened, mut token: impl FnMut(usize) -> String) -> anyhow::Result<Self> {
        let Opened { wire, target, count, first } = opened;
        let poll = Poll::new()?;
        let mut tally = Tally::new(count, first);
        let mut opener = Opener::new(wire, target);
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            let (stream, rest) = opener
                .open(&token(number))
                .with_context(|| format!("opening connection {number} of {count}, {}", wire.name()))?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            let mut heard = tally.begin();
            tally.take(&mut heard, &rest)?;
            connections.push(Connection { stream, heard });
        }
        let (buffer, next_ping) = (vec![0; READ], Instant::now());
        Ok(Self { poll, connections, tally, buffer, ping: wire.ping(), next_ping, pinging: 0, frame: None })
    }

    /// Listens until something goes wrong: a connection ends, or an event is missing on one. `complete` hears, each
    /// time that grows, how many events have reached every connection.
    pub fn listen(&mut self, mut complete: impl FnMut(usize, Option<&[u8]>)) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(4096);
        let mut told = 0;
        loop {
            match self.poll.poll(&mut events, Some(PING_ROUND / PING_STEPS)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                self.read(event.token().0, event.is_read_closed())?;
            }
            if self.tally.complete() > told {
                told = self.tally.complete();
                complete(told, self.frame.as_deref());
            }
            self.send_pings()?;
        }
    }

    fn read(&mut self, number: usize, is_closed: bool) -> anyhow::Result<()> {
        let Connection { stream, heard } = &mut self.connections[number];
        loop {
            let count = match stream.read(&mut self.buffer) {
                Ok(0) => bail!("connection {number} was closed"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).with_context(|| format!("reading from connection {number}")),
            };
            let bytes = &self.buffer[..count];
            self.tally.take(heard, bytes)?;
            if self.frame.is_none() && tally::digits(bytes).is_some() {
                self.frame = Some(bytes.to_vec());
            }
            if count < READ && !is_closed {
                // All that was there, so what comes next brings a new event of the poll; but an end that came already.
                return Ok(());
            }
        }
    }

    fn send_pings(&mut self) -> anyhow::Result<()> {
        let Some(ping) = self.ping.as_ref().filter(|_| Instant::now() >= self.next_ping) else { return Ok(()) };
        self.next_ping = Instant::now() + PING_ROUND / PING_STEPS;
        for _ in 0..self.connections.len().div_ceil(PING_STEPS as usize) {
            let connection = &mut self.connections[self.pinging];
            connection.stream.write_all(ping).context("sending a ping")?;
            self.pinging = (self.pinging + 1) % self.connections.len();
        }
        Ok(())
    }
}
