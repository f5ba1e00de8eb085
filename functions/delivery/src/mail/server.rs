//! The connection to a mail server, kept from one message to the next.
//!
//! The library has no limit of time but for connecting, so each step has one here.

use std::time::Duration;

use lettre::{
    address::Envelope,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        extension::ClientId,
    },
};
use tokio::time::{Instant, timeout};

use super::config::Security;

/// A connection that was not used for longer is not trusted to be there: servers end idle ones after some minutes.
const MAX_IDLE: Duration = Duration::from_secs(20);

/// The part of the time to connect that one of a server's addresses may take, for it is one after the other.
const ADDRESSES: u32 = 3;
/// The codes of a server that wants another password or connection of whoever sends (RFC 4954), at whatever command.
const LETS_NOBODY_IN: [u16; 4] = [530, 534, 535, 538];

/// Why a server did not take a message.
#[derive(Debug)]
pub(crate) enum ServerError {
    /// It never will, for this recipient; with its code, 0 where it is not the server that says so.
    Refused(u16, String),
    /// It may later.
    Later(String),
    /// It is not there, or lets nobody in: no other message goes either.
    Away(String),
}

/// A server, and the connection to it while it is used.
pub(crate) struct Server {
    pub(crate) address: (String, u16),
    pub(crate) security: Security,
    pub(crate) tls: Option<TlsParameters>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) hello: ClientId,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) connection: Option<(AsyncSmtpConnection, Instant)>,
}

impl Server {
    /// Sends one message; what a broken connection has taken, the server may have, or not.
    pub(crate) async fn send(&mut self, envelope: &Envelope, message: &[u8]) -> Result<(), ServerError> {
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        match timeout(self.timeout, connection.send(envelope, message)).await {
            Ok(Ok(_)) => {
                // Not where the call was dropped meanwhile: then it is not known what the server waits for.
                self.connection = Some((connection, Instant::now()));
                Ok(())
            }
            Ok(Err(error)) => Err(of_message(&error)),
            Err(_) => Err(ServerError::Later(format!("the mail server took longer than {:?}", self.timeout))),
        }
    }

    /// The connection of the last message, if the server keeps it.
    async fn kept(&mut self) -> Option<AsyncSmtpConnection> {
        let (mut connection, _) = self.connection.take().filter(|(_, used)| used.elapsed() < MAX_IDLE)?;
        let is_alive = timeout(self.connect_timeout, connection.test_connected()).await.unwrap_or(false);
        is_alive.then_some(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, ServerError> {
        let (host, port) = (self.address.0.as_str(), self.address.1);
        match timeout(self.connect_timeout, self.try_connect(host, port)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(ServerError::Away(format!("the mail server {host}:{port}: {}", words(&error)))),
            Err(_) => Err(ServerError::Away(format!(
                "the mail server {host}:{port} took longer than {:?}",
                self.connect_timeout
            ))),
        }
    }

    async fn try_connect(&self, host: &str, port: u16) -> Result<AsyncSmtpConnection, Error> {
        let at_once = self.tls.clone().filter(|_| self.security == Security::Tls);
        let each = Some(self.connect_timeout / ADDRESSES);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1((host, port), each, &self.hello, at_once, None).await?;
        if let Some(tls) = self.tls.clone().filter(|_| self.security == Security::StartTls) {
            connection.starttls(tls, &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// A refusal of one message, unless it is one of whoever sends.
fn of_message(error: &Error) -> ServerError {
    match error.status().map(u16::from) {
        Some(code) if LETS_NOBODY_IN.contains(&code) => ServerError::Away(words(error)),
        Some(code) if error.is_permanent() => ServerError::Refused(code, words(error)),
        // Such as an address that only SMTPUTF8 can write.
        _ if error.is_client() => ServerError::Refused(0, words(error)),
        _ => ServerError::Later(words(error)),
    }
}

/// The code and the words of the server, or what went wrong on the way.
fn words(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    match (error.status(), source) {
        (Some(code), Some(said)) => format!("{code} {said}"),
        (Some(code), None) => code.to_string(),
        (None, Some(source)) => source,
        (None, None) => error.to_string(),
    }
}
