//! TLS over a socket that is read and written by whoever has the bytes, as [`super::socket`] wants it.

use std::{
    io::{self, IoSlice, Read, Write},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use rustls::ServerConnection;
use tokio::net::TcpStream;

use crate::lock::lock;

/// A connection of TLS after its handshake.
pub struct TlsSocket {
    pub(super) tcp: TcpStream,
    tls: Mutex<ServerConnection>,
    /// Something that was decrypted may not be read yet.
    has_plaintext: AtomicBool,
}

impl TlsSocket {
    /// The connection over its socket.
    pub(crate) fn new(tcp: TcpStream, tls: ServerConnection) -> Self {
        Self { tcp, tls: Mutex::new(tls), has_plaintext: AtomicBool::new(true) }
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        match self.has_plaintext.load(Ordering::Acquire) {
            true => Ok(()),
            false => self.tcp.readable().await,
        }
    }

    pub(super) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut tls = lock(&self.tls);
        loop {
            match tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.has_plaintext.store(false, Ordering::Release);
                }
                read => {
                    self.has_plaintext.store(read.as_ref().is_ok_and(|count| *count == into.len()), Ordering::Release);
                    return read;
                }
            }
            if tls.read_tls(&mut Tcp(&self.tcp))? == 0 {
                return Ok(0);
            }
            let processed = tls.process_new_packets();
            // An alert, or an answer to a change of keys; what cannot go now goes with what is written next.
            self.flush(&mut tls).ok();
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    pub(super) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut tls = lock(&self.tls);
        // What is encrypted waits here, so nothing is added to it.
        self.flush(&mut tls)?;
        let written = tls.writer().write_vectored(slices)?;
        match self.flush(&mut tls) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(written),
        }
    }

    pub(super) fn try_flush(&self) -> io::Result<()> {
        self.flush(&mut lock(&self.tls))
    }

    pub(super) fn send_close_notify(&self) {
        let mut tls = lock(&self.tls);
        tls.send_close_notify();
        // Without it the client sees an end without notice.
        self.flush(&mut tls).ok();
    }

    fn flush(&self, tls: &mut MutexGuard<'_, ServerConnection>) -> io::Result<()> {
        while tls.wants_write() {
            if tls.write_tls(&mut Tcp(&self.tcp))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

/// The socket as rustls wants it.
struct Tcp<'a>(&'a TcpStream);

impl Read for Tcp<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Tcp<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
