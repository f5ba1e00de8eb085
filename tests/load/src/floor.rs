//! The least that telling so many connections something takes: one write for each of them, and nothing else.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::tally;

/// Connections that are written to in a loop.
pub struct Floor {
    connections: Vec<TcpStream>,
    frame: Vec<u8>,
    next: u32,
}

/// A floor before its connections have come.
pub struct Waiting {
    listener: TcpListener,
}

impl Waiting {
    /// Listens on a free port of this machine.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))? })
    }

    /// Where.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Takes so many connections; an event is these bytes, with its number for the mark's.
    pub fn accept(self, count: usize, frame: Vec<u8>) -> anyhow::Result<Floor> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            let (connection, _) = self.listener.accept()?;
            connection.set_nodelay(true)?;
            connections.push(connection);
        }
        Ok(Floor { connections, frame, next: 0 })
    }
}

impl Floor {
    /// Writes the next events to every connection, each after this time; none at all is as fast as it goes.
    pub fn write(&mut self, events: u32, pace: Option<Duration>) -> anyhow::Result<()> {
        let digits = tally::digits(&self.frame).context("the frame has no mark")?;
        let begun = Instant::now();
        for event in 0..events {
            if let Some(pace) = pace {
                #[allow(clippy::disallowed_methods)]
                // Nothing else runs here, and a runtime's timer would be measured.
                std::thread::sleep((begun + pace * event).saturating_duration_since(Instant::now()));
            }
            let mark = tally::mark(self.next);
            self.frame[digits.clone()].copy_from_slice(&mark.as_bytes()[mark.len() - digits.len()..]);
            self.next += 1;
            for connection in &mut self.connections {
                // It waits only where a socket's buffer is full; with room there it is one system call.
                connection.write_all(&self.frame)?;
            }
        }
        Ok(())
    }
}
