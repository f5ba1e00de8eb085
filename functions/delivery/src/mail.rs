//! Mail: each recipient gets a message of their own, over one connection where the server keeps it.
//!
//! - [`config`]: `[mail]`; [`message`]: the message; [`server`]: the connection to the server that takes it

pub(crate) mod config;
mod message;
mod server;

use futures_util::TryStreamExt;
use lettre::message::Mailbox;
use process::{ConfigError, Settings};
use runtime::Context;
use storage::{FileKey, OwnerFiles, StorageError};
use tokio::sync::Mutex;

use self::{
    config::{Access, MailConfig},
    message::{Attachment, compose},
    server::{Server, ServerError},
};
use crate::{
    outcome::{Outcome, one_line},
    parcel::Parcel,
};

/// The codes of a server for which a message is too large (RFC 5321, RFC 3463).
const TOO_LARGE: [u16; 2] = [523, 552];

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

    /// Sends a parcel to one recipient, its file attached where it is small enough.
    pub(crate) async fn send(&self, context: &Context, parcel: &Parcel, to: &Mailbox, link: Option<&str>) -> Outcome {
        let attached = match parcel.bytes <= self.config.attach_up_to {
            false => None,
            true => match content_of(&context.files, &parcel.file, self.config.attach_up_to).await {
                Ok(content) => {
                    Some(Attachment { content, name: parcel.file.name(), content_type: &parcel.content_type })
                }
                Err(error) => return Outcome::Later(format!("its file cannot be read now: {error}"), None),
            },
        };
        let sent = self.submit(context, parcel, to, link, attached).await;
        match sent {
            Err(ServerError::Refused(code, _))
                if TOO_LARGE.contains(&code) && parcel.bytes <= self.config.attach_up_to =>
            {
                outcome(self.submit(context, parcel, to, link, None).await)
            }
            other => outcome(other),
        }
    }

    async fn submit(
        &self,
        context: &Context,
        parcel: &Parcel,
        to: &Mailbox,
        link: Option<&str>,
        attached: Option<Attachment<'_>>,
    ) -> Result<(), ServerError> {
        let message = compose(&self.config.from, context.task, parcel, to, link, attached)
            .map_err(|reason| ServerError::Refused(0, reason))?;
        self.server.lock().await.send(message.envelope(), &message.formatted()).await
    }
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
