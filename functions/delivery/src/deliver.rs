//! Delivers a parcel to each recipient, and says who has it.

use std::{sync::Arc, time::Instant};

use jiff::{SignedDuration, Timestamp};
use lettre::message::Mailbox;
use model::{
    Toast,
    toast::{Action, Level},
};
use runtime::{Context, Failure, definitions::WrongAt};
use serde::{Deserialize, Serialize};
use storage::StorageError;
use tokio::{
    sync::OnceCell,
    time::{Duration, sleep, sleep_until},
};

use crate::{
    ledger::{Ledger, Mark},
    link::Link,
    mail::{Attachment, Mailer},
    outcome::Outcome,
    parcel::Parcel,
    recipients::Recipients,
    webhook::Webhook,
};

/// What is left of a run's time once nobody is waited for any more, half of it at most: it must end well before its
/// deadline, which is for good.
const LAST_MOMENTS: Duration = Duration::from_secs(20);
/// A server that asks to come again in so short a time is waited for.
const SHORT_WAIT: SignedDuration = SignedDuration::from_secs(30);
const NO_TIME: &str = "there was no time left in this run";
/// In characters: what a failure tells of those who do not have it yet.
const MAX_WAITING_TEXT: usize = 800;
/// The same of the people who were told.
const MAX_PEOPLE_TEXT: usize = 200;

/// The ways to people and programs that a worker's settings open; cheap to clone.
#[derive(Clone, Default)]
pub struct Delivery {
    pub(crate) link: Option<Link>,
    pub(crate) mailer: Option<Arc<Mailer>>,
    pub(crate) webhooks: Vec<Arc<Webhook>>,
}

/// Who has a parcel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The people who were told, as an audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Mails that a server has taken.
    #[serde(default)]
    pub mails: usize,
    /// Webhooks that have taken it.
    #[serde(default)]
    pub webhooks: usize,
    /// Who does not have it and will not get it, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undelivered: Vec<Undelivered>,
}

/// A recipient who did not get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// The recipient.
    pub to: String,
    /// The reason.
    pub reason: String,
}

/// One recipient.
enum Recipient {
    People,
    Mail(Mailbox),
    Webhook(Arc<Webhook>),
}

impl Recipient {
    /// Its name in the ledger, and for people.
    fn name(&self, recipients: &Recipients) -> String {
        match self {
            Self::People => recipients.to.join(" "),
            Self::Mail(mailbox) => mailbox.email.to_string(),
            Self::Webhook(webhook) => format!("webhook {}", webhook.name()),
        }
    }

    /// Recipients that are reached on the same way, such as over one server.
    fn way(&self) -> usize {
        match self {
            Self::People => 0,
            Self::Mail(_) => 1,
            Self::Webhook(_) => 2,
        }
    }
}

impl Delivery {
    /// What is wrong with the recipients that a definition names.
    pub fn faults(&self, recipients: &Recipients) -> WrongAt {
        let webhooks: Vec<_> = self.webhooks.iter().map(|webhook| webhook.name()).collect();
        recipients.faults(self.mailer.is_some(), &webhooks)
    }

    /// Delivers to all who do not have it; a failure that passes names those who may get it at the next attempt. At the last
    /// attempt nobody is waited for: who does not have it is among the [`Delivered::undelivered`]. A task that is cancelled
    /// meanwhile has no result: who has it by then is in its log, and nobody else gets it.
    pub async fn deliver(
        &self,
        context: &Context,
        recipients: &Recipients,
        parcel: &Parcel,
        ledger: &mut Ledger,
    ) -> Result<Delivered, Failure> {
        let href = match recipients.to.is_empty() {
            true => None,
            false => Some(context.files.share(&parcel.file, recipients.audience()).await.map_err(unshared)?),
        };
        let round = Round { delivery: self, context, recipients, parcel, href, attachment: OnceCell::new() };
        let (mut delivered, mut waiting) = (Delivered::default(), Vec::new());
        let left = context.deadline.saturating_duration_since(Instant::now());
        let last_moments = Instant::now() + left - LAST_MOMENTS.min(left / 2);
        let mut closed: [Option<String>; 3] = Default::default();
        for recipient in round.all() {
            let name = recipient.name(recipients);
            let mark = match (ledger.mark(&name), &closed[recipient.way()]) {
                (Some(mark @ (Mark::Done | Mark::Refused(_))), _) => mark.clone(),
                (_, Some(reason)) => Mark::Later(reason.clone(), None),
                (before, None) => {
                    let not_before = if let Some(Mark::Later(_, time)) = before { *time } else { None };
                    let outcome = tokio::select! {
                        outcome = round.attempt(&recipient, not_before) => outcome,
                        () = sleep_until(last_moments.into()) => Outcome::AllLater(NO_TIME.to_owned()),
                        () = context.stop.cancelled() => return Err(Failure::Stopped),
                    };
                    let mark = match outcome {
                        Outcome::Done => Mark::Done,
                        Outcome::Refused(reason) => Mark::Refused(reason),
                        Outcome::Later(reason, time) => Mark::Later(reason, time),
                        Outcome::AllLater(reason) => {
                            closed[recipient.way()] = Some(reason.clone());
                            // What it asked for before still counts.
                            Mark::Later(reason, not_before)
                        }
                    };
                    ledger.set(&name, mark.clone()).await?;
                    round.say(&name, &mark);
                    mark
                }
            };
            match mark {
                Mark::Done => delivered.count(&recipient, name),
                Mark::Refused(reason) => delivered.undelivered.push(Undelivered { to: name, reason }),
                Mark::Later(reason, _) => waiting.push(Undelivered { to: name, reason }),
            }
        }
        if waiting.is_empty() || context.attempt >= context.attempts {
            delivered.undelivered.append(&mut waiting);
            return Ok(delivered);
        }
        let cause = anyhow::anyhow!("{} recipients do not have it yet", waiting.len());
        Err(Failure::passing(format!("It is made, and not all have it yet: {}", in_words(&waiting)), cause))
    }
}

impl Delivered {
    fn count(&mut self, recipient: &Recipient, name: String) {
        match recipient {
            Recipient::People => self.to = Some(name),
            Recipient::Mail(_) => self.mails += 1,
            Recipient::Webhook(_) => self.webhooks += 1,
        }
    }

    /// Who has it, in a few words, and who has not.
    pub fn in_words(&self) -> String {
        let counted = |count: usize, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            _ => Some(format!("{count} {many}")),
        };
        let mails = counted(self.mails, "address", "addresses");
        let webhooks = counted(self.webhooks, "webhook", "webhooks");
        let told: Vec<_> = [self.to.as_deref().map(people_in_words), mails, webhooks].into_iter().flatten().collect();
        let mut text =
            if told.is_empty() { "sent to nobody".to_owned() } else { format!("sent to {}", told.join(", ")) };
        if !self.undelivered.is_empty() {
            text += &format!("; not to {}", in_words(&self.undelivered));
        }
        text
    }
}

/// An audience, or its beginning.
fn people_in_words(audience: &str) -> String {
    match audience.char_indices().nth(MAX_PEOPLE_TEXT) {
        Some((end, _)) => format!("{}…", &audience[..end]),
        None => audience.to_owned(),
    }
}

/// `a@example.com (550 no such user), …`.
fn in_words(undelivered: &[Undelivered]) -> String {
    let mut text = String::new();
    for (index, Undelivered { to, reason }) in undelivered.iter().enumerate() {
        let next = format!("{}{to} ({reason})", if index > 0 { ", " } else { "" });
        if text.chars().count() + next.chars().count() > MAX_WAITING_TEXT {
            return format!("{text} and {} more", undelivered.len() - index);
        }
        text += &next;
    }
    text
}

/// One attempt at all recipients.
struct Round<'a> {
    delivery: &'a Delivery,
    context: &'a Context,
    recipients: &'a Recipients,
    parcel: &'a Parcel,
    /// The path of the file for those who may read it; none if it is shared with nobody.
    href: Option<String>,
    /// The file as mails carry it: read once, by the first of them.
    attachment: OnceCell<Option<Attachment>>,
}

impl Round<'_> {
    fn all(&self) -> Vec<Recipient> {
        let people = (!self.recipients.to.is_empty()).then_some(Recipient::People);
        let mails = self.recipients.mailboxes().map(Recipient::Mail);
        let named = |name: &String| self.delivery.webhooks.iter().find(|webhook| webhook.name() == name).cloned();
        let webhooks = self.recipients.webhooks.iter().filter_map(named).map(Recipient::Webhook);
        people.into_iter().chain(mails).chain(webhooks).collect()
    }

    async fn attempt(&self, recipient: &Recipient, not_before: Option<Timestamp>) -> Outcome {
        if let Some(time) = not_before {
            let wait = time.duration_since(Timestamp::now());
            if wait > SHORT_WAIT {
                return Outcome::Later(format!("it asked to come again at {time:.0}"), not_before);
            }
            sleep(wait.try_into().unwrap_or_default()).await;
        }
        let link = self.delivery.link.as_ref().zip(self.href.as_ref()).map(|(link, href)| link.to(href));
        match recipient {
            Recipient::People => self.tell().await,
            Recipient::Mail(mailbox) => match &self.delivery.mailer {
                Some(mailer) => self.mail(mailer, mailbox, link.as_deref()).await,
                None => Outcome::Refused("this worker sends no mail".to_owned()),
            },
            Recipient::Webhook(webhook) => webhook.send(self.context, self.parcel, link.as_deref()).await,
        }
    }

    async fn mail(&self, mailer: &Mailer, to: &Mailbox, link: Option<&str>) -> Outcome {
        let attachment = || mailer.attachment(&self.context.files, self.parcel);
        match self.attachment.get_or_try_init(attachment).await {
            Ok(attachment) => mailer.send(self.context.task, self.parcel, to, link, attachment.as_ref()).await,
            Err(outcome) => outcome,
        }
    }

    async fn tell(&self) -> Outcome {
        let Parcel { title, summary, .. } = self.parcel;
        let mut toast = Toast::new(Level::Info, format!("{title} is ready"));
        toast.body = Some(format!("{summary} · from {}", self.context.owner));
        toast.action = self.href.clone().map(|href| Action { label: "Download".to_owned(), href });
        match self.context.tell("delivered", self.recipients.audience(), &toast).await {
            Ok(()) => Outcome::Done,
            Err(Failure::Permanent { message, .. }) => Outcome::Refused(message),
            Err(error) => Outcome::Later(error.to_string(), None),
        }
    }

    fn say(&self, name: &str, mark: &Mark) {
        match mark {
            Mark::Done => self.context.log(Level::Info, format!("Sent to {name}.")),
            Mark::Refused(reason) => self.context.log(Level::Warning, format!("Not sent to {name}: {reason}")),
            Mark::Later(reason, _) => self.context.log(Level::Warning, format!("Not sent to {name} yet: {reason}")),
        }
    }
}

fn unshared(error: StorageError) -> Failure {
    Failure::passing("The storage cannot be used now; the report is shared there.", error)
}
