//! Mail: each recipient gets a message of their own, over one connection where the server keeps it.
//!
//! - [`config`]: `[mail]`; [`message`]: the message; [`server`]: the connection to the server that takes it

pub(crate) mod config;
mod message;
mod server;

use futures_util::TryStreamExt;
use lettre::message::Mailbox;
use model::TaskId;
use process::{ConfigError, Settings};
use storage::{FileKey, OwnerFiles, StorageError};
use tokio::sync::Mutex;

pub(crate) use self::message::Attachment;
use self::{
    config::{Access, MailConfig},
    message::compose,
    server::{Server, ServerError},
};
use crate::{
    outcome::{Outcome, one_line},
    parcel::Parcel,
};

/// The codes of a server for which a message is too large (RFC 5321, RFC 3463).
const TOO_LARGE: [u16; 2] = [523, 552];

/// Why a link instead would open for nobody.
const SHARED_WITH_NOBODY: &str = "and it is shared with nobody (to)";

/// Sends mail as `[mail]` says.
pub(crate) struct Mailer {
    config: MailConfig,
    /// One message at a time: a worker runs few tasks, and servers count connections.
    server: Mutex<Server>,
}

impl Mailer {
    /// Reads `[mail]`; none if it is not there.
    pub(crate) fn read(settings: &Settings) -> Result<Option<Self>, ConfigError> {
        let Some((config, Access { tls, credentials, hello })) = MailConfig::read(settings)? else {
            return Ok(None);
        };
        let server = Server {
            address: (config.host.clone(), config.port()),
            security: config.security,
            tls,
            credentials,
            hello,
            connect_timeout: config.connect_timeout,
            timeout: config.timeout,
            connection: None,
        };
        Ok(Some(Self { config, server: Mutex::new(server) }))
    }

    /// The file of a parcel as each mail carries it; none if it is too large to be attached. The error is how it goes with
    /// the recipient then.
    pub(crate) async fn attachment(&self, files: &OwnerFiles, parcel: &Parcel) -> Result<Option<Attachment>, Outcome> {
        if parcel.bytes > self.config.attach_up_to {
            return Ok(None);
        }
        let content = content_of(files, &parcel.file, self.config.attach_up_to).await;
        let content = content.map_err(|error| Outcome::Later(format!("its file cannot be read now: {error}"), None))?;
        Attachment::new(content, parcel).map(Some).map_err(Outcome::Refused)
    }

    /// Sends a parcel to one recipient, with its file, or with a link alone where the file is too large. What would have
    /// neither is not sent.
    pub(crate) async fn send(
        &self,
        task: TaskId,
        parcel: &Parcel,
        to: &Mailbox,
        link: Option<&str>,
        attachment: Option<&Attachment>,
    ) -> Outcome {
        if attachment.is_none() && link.is_none() {
            return Outcome::Refused(format!("the file is larger than mail.attach_up_to, {SHARED_WITH_NOBODY}"));
        }
        let submit = async |attachment| {
            let message = compose(&self.config.from, task, parcel, to, link, attachment)
                .map_err(|reason| ServerError::Refused(0, reason))?;
            self.server.lock().await.send(message.envelope(), &message.formatted()).await
        };
        match submit(attachment).await {
            Err(ServerError::Refused(code, _))
                if TOO_LARGE.contains(&code) && attachment.is_some() && link.is_some() =>
            {
                outcome(submit(None).await)
            }
            Err(ServerError::Refused(code, reason))
                if TOO_LARGE.contains(&code) && link.is_none() && !is_of_mailbox(&reason) =>
            {
                Outcome::Refused(format!("{}, {SHARED_WITH_NOBODY}", one_line(&reason)))
            }
            sent => outcome(sent),
        }
    }
}

/// True if a server says that a mailbox is full or the like, for which it has the same codes: an enhanced one of 5.2.x, but
/// for the most that the mailbox takes of one message, 5.2.3 (RFC 3463).
fn is_of_mailbox(reason: &str) -> bool {
    let enhanced = reason.split_whitespace().nth(1).unwrap_or_default();
    enhanced.starts_with("5.2.") && enhanced != "5.2.3"
}

/// The whole of a file of at most so many bytes.
async fn content_of(files: &OwnerFiles, key: &FileKey, most: u64) -> Result<Vec<u8>, StorageError> {
    let file = files.get(key).await?;
    if file.bytes > most {
        return Err(StorageError::TooLarge(most));
    }
    file.content.map_ok(|piece| piece.to_vec()).try_concat().await
}

fn outcome(sent: Result<(), ServerError>) -> Outcome {
    match sent {
        Ok(()) => Outcome::Done,
        Err(ServerError::Refused(_, reason)) => Outcome::Refused(one_line(&reason)),
        Err(ServerError::Later(reason)) => Outcome::Later(one_line(&reason), None),
        Err(ServerError::Away(reason)) => Outcome::AllLater(one_line(&reason)),
    }
}
