//! The settings of mail.

use std::{fs, path::PathBuf, time::Duration};

use lettre::{
    message::Mailbox,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, TlsParameters, TlsParametersBuilder},
        extension::ClientId,
    },
};
use process::{ConfigError, Settings, quantity};
use serde::{Deserialize, Deserializer, de::Error};

use crate::{recipients, secret::secret_of};

/// The largest file that may be attached: a message is held in memory.
const MAX_ATTACHED: u64 = 64 << 20;

/// `[mail]`: the server that takes what this worker sends. Without it no mail is sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// `BELLWIRE_MAIL__HOST`: the name of the SMTP server. No default.
    pub host: String,
    /// `BELLWIRE_MAIL__PORT`. 465 with `tls`, 587 with `starttls`, 25 with `none`.
    #[serde(default)]
    pub port: Option<u16>,
    /// `BELLWIRE_MAIL__SECURITY`: `tls` from the first byte on, `starttls`, or `none`, which is for this machine. `tls`.
    #[serde(default)]
    pub security: Security,
    /// `BELLWIRE_MAIL__ALLOW_PLAIN`: whether `none` is allowed for another machine. `false`.
    #[serde(default)]
    pub allow_plain: bool,
    /// `BELLWIRE_MAIL__USER`: the user's name at the server. Empty: it asks for none.
    #[serde(default)]
    pub user: String,
    /// `BELLWIRE_MAIL__PASSWORD_FILE`: a file with the user's password; one line end after it is cut off. None.
    #[serde(default)]
    pub password_file: PathBuf,
    /// `BELLWIRE_MAIL__FROM`: the sender, as in `Reports <reports@example.com>`. No default.
    #[serde(deserialize_with = "mailbox")]
    pub from: Mailbox,
    /// `BELLWIRE_MAIL__HELLO`: how this worker names itself to the server. The domain of `from`.
    #[serde(default)]
    pub hello: String,
    /// `BELLWIRE_MAIL__CA_FILE`: certificates in PEM that the server may show besides the system's. None.
    #[serde(default)]
    pub ca_file: PathBuf,
    /// `BELLWIRE_MAIL__CONNECT_TIMEOUT`: how long the server may take until it greets, TLS and password included. `15s`.
    #[serde(default = "connect_timeout", deserialize_with = "quantity::duration")]
    pub connect_timeout: Duration,
    /// `BELLWIRE_MAIL__TIMEOUT`: how long it may take for one mail. `60s`.
    #[serde(default = "timeout", deserialize_with = "quantity::duration")]
    pub timeout: Duration,
    /// `BELLWIRE_MAIL__ATTACH_UP_TO`: the largest file that is attached; of a larger one the mail has the link alone, and
    /// without people whom it is shared with there is no mail. `5MiB`.
    #[serde(default = "attach_up_to", deserialize_with = "quantity::bytes")]
    pub attach_up_to: u64,
}

/// How a server lets this worker in.
pub(crate) struct Access {
    pub(crate) tls: Option<TlsParameters>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) hello: ClientId,
}

/// How the connection to a server is secured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS from the first byte on (RFC 8314).
    #[default]
    Tls,
    /// TLS after the command STARTTLS; a server that does not offer it gets no mail.
    StartTls,
    /// None.
    None,
}

fn connect_timeout() -> Duration {
    Duration::from_secs(15)
}

fn timeout() -> Duration {
    Duration::from_secs(60)
}

fn attach_up_to() -> u64 {
    5 << 20
}

fn mailbox<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mailbox, D::Error> {
    let text = String::deserialize(deserializer)?;
    recipients::mailbox(&text).map_err(|reason| D::Error::custom(format!("{text:?} {reason}")))
}

impl MailConfig {
    /// Reads the section, with the files that it names; none if it is not there.
    pub(crate) fn read(settings: &Settings) -> Result<Option<(Self, Access)>, ConfigError> {
        if !settings.has("mail") {
            return Ok(None);
        }
        let config: Self = settings.section("mail")?;
        let invalid = |field: &str, reason: String| settings.invalid(&format!("mail.{field}"), reason);
        if config.attach_up_to > MAX_ATTACHED {
            return Err(invalid("attach_up_to", format!("{} MiB is the most", MAX_ATTACHED >> 20)));
        }
        if config.security == Security::None && !config.allow_plain && !process::is_loopback(&config.host) {
            let reason =
                "without TLS, mail and password can be read on the way to another machine; mail.allow_plain allows it";
            return Err(invalid("security", reason.to_owned()));
        }
        let credentials = config.credentials().map_err(|reason| invalid("password_file", reason))?;
        let tls = config.tls().map_err(|reason| invalid("ca_file", reason))?;
        let hello = if config.hello.is_empty() { config.from.email.domain() } else { &config.hello };
        if hello.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
            return Err(invalid("hello", format!("{hello:?} is no name of a host")));
        }
        let hello = ClientId::Domain(hello.to_owned());
        Ok(Some((config, Access { tls, credentials, hello })))
    }

    /// The port of the server.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            Security::Tls => 465,
            Security::StartTls => 587,
            Security::None => 25,
        })
    }

    fn credentials(&self) -> Result<Option<Credentials>, String> {
        let has_file = !self.password_file.as_os_str().is_empty();
        match (self.user.is_empty(), has_file) {
            (true, false) => Ok(None),
            (false, true) => Ok(Some(Credentials::new(self.user.clone(), secret_of(&self.password_file)?))),
            (true, true) => Err("it is the password of mail.user, which is missing".to_owned()),
            (false, false) => Err("mail.user has a password; name the file that it is in".to_owned()),
        }
    }

    fn tls(&self) -> Result<Option<TlsParameters>, String> {
        if self.security == Security::None {
            return Ok(None);
        }
        let mut tls = TlsParametersBuilder::new(self.host.clone());
        if !self.ca_file.as_os_str().is_empty() {
            let file = self.ca_file.display();
            let pem = fs::read(&self.ca_file).map_err(|error| format!("{file} cannot be read: {error}"))?;
            let certificate =
                Certificate::from_pem(&pem).ok().filter(|_| pem.windows(10).any(|part| part == b"-----BEGIN"));
            tls = tls.add_root_certificate(certificate.ok_or_else(|| format!("{file} holds no certificates in PEM"))?);
        }
        tls.build().map(Some).map_err(|error| format!("TLS cannot be set up: {error}"))
    }
}
