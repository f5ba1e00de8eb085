//! A channel that publishes to one exchange: what waits is written together, and confirmed together.
//!
//! One task has the channel for itself. The library numbers a message and hands it over in two steps, so that two tasks
//! which publish at once may get each other's confirms; and it tells of a message that came back with whichever confirm
//! is read next. So a batch is handed over in order, and what came back is told apart by its id once all is confirmed.

use std::collections::HashSet;

use futures_util::{future::maybe_done, poll};
use lapin::{Channel, Confirmation, options::BasicPublishOptions, types::ShortString};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::publication::Publication;

/// Most requests whose messages are written together.
const MAX_BATCH: usize = 64;

/// What the broker said of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is in a queue, durably where it is a durable message.
    Confirmed,
    /// No queue is bound there.
    Returned,
    /// The queue does not take it.
    Refused,
}

/// The answers of the broker to the messages of one request, or why there is none.
pub(super) type Answers = Vec<lapin::Result<Answer>>;

/// Messages of one sender, in order.
pub(super) struct PublishRequest {
    pub(super) messages: Vec<Publication>,
    pub(super) answers: oneshot::Sender<Answers>,
    /// Of the messages that wait for the broker.
    pub(super) permit: OwnedSemaphorePermit,
}

/// A channel with confirms on, and the task that has it.
pub(super) struct PublishChannel {
    channel: Channel,
    requests: mpsc::Sender<PublishRequest>,
    _task: AbortOnDropHandle<()>,
}

impl PublishChannel {
    /// A channel that has its confirms on.
    pub(super) fn start(channel: Channel, exchange: &str) -> Self {
        let (requests, receiver) = mpsc::channel(MAX_BATCH);
        let task = tokio::spawn(run(channel.clone(), exchange.into(), receiver));
        Self { channel, requests, _task: AbortOnDropHandle::new(task) }
    }

    /// Whether it can be used.
    pub(super) fn is_open(&self) -> bool {
        self.channel.status().connected() && !self.requests.is_closed()
    }

    /// Takes requests; their answers never come where the channel ends before.
    pub(super) fn requests(&self) -> mpsc::Sender<PublishRequest> {
        self.requests.clone()
    }
}

async fn run(channel: Channel, exchange: ShortString, mut receiver: mpsc::Receiver<PublishRequest>) {
    let mut requests = Vec::with_capacity(MAX_BATCH);
    while channel.status().connected() && receiver.recv_many(&mut requests, MAX_BATCH).await > 0 {
        // Whoever waits no longer was told that it is not published.
        requests.retain(|request| !request.answers.is_closed());
        let messages: Vec<_> = requests.iter().flat_map(|request| &request.messages).collect();
        let mut answers = publish(&channel, &exchange, &messages).await.into_iter();
        for PublishRequest { messages, answers: sender, permit } in requests.drain(..) {
            drop(permit);
            // Whoever waits no longer sends it again.
            sender.send(answers.by_ref().take(messages.len()).collect()).ok();
        }
    }
}

/// Hands messages over in order, and waits until all are confirmed or the channel has ended.
async fn publish(channel: &Channel, exchange: &ShortString, messages: &[&Publication]) -> Answers {
    // Always mandatory: without it, a message that no queue is bound for is confirmed and lost.
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let mut publishing = Vec::with_capacity(messages.len());
    for message in messages {
        let (key, properties) = (message.key.as_str().into(), message.properties.clone());
        let sent = channel.basic_publish(exchange.clone(), key, options, &message.body, properties);
        let mut sent = Box::pin(maybe_done(sent));
        // Its first step hands it over; it is done when it is written, and then the confirm is waited for.
        let _ = poll!(sent.as_mut());
        publishing.push(sent);
    }
    let mut confirms = Vec::with_capacity(messages.len());
    for mut sent in publishing {
        sent.as_mut().await;
        confirms.extend(sent.as_mut().take_output());
    }
    let mut confirmations = Vec::with_capacity(messages.len());
    for confirm in confirms {
        confirmations.push(match confirm {
            Ok(confirm) => confirm.await,
            Err(error) => Err(error),
        });
    }
    answers(messages, confirmations)
}

fn answers(messages: &[&Publication], confirmations: Vec<lapin::Result<Confirmation>>) -> Answers {
    let returned: HashSet<_> = confirmations.iter().filter_map(returned).collect();
    let answer = |message: &Publication, confirmation: &lapin::Result<Confirmation>| match confirmation {
        Err(error) => Err(error.clone()),
        Ok(_) if returned.contains(&(message.key.as_str(), message.id())) => Ok(Answer::Returned),
        Ok(confirmation) if confirmation.is_nack() => Ok(Answer::Refused),
        Ok(_) => Ok(Answer::Confirmed),
    };
    messages.iter().zip(&confirmations).map(|(message, confirmation)| answer(message, confirmation)).collect()
}

/// The routing key and the id of a message that came back with a confirm, whichever message that confirms.
fn returned(confirmation: &lapin::Result<Confirmation>) -> Option<(&str, &str)> {
    let (Ok(Confirmation::Ack(Some(message))) | Ok(Confirmation::Nack(Some(message)))) = confirmation else {
        return None;
    };
    let id = message.properties.message_id().as_ref().map_or("", |id| id.as_str());
    Some((message.routing_key.as_str(), id))
}

#[cfg(test)]
mod tests {
    use lapin::message::{BasicReturnMessage, Delivery};

    use super::*;

    fn job(key: &str, id: &str) -> Publication {
        Publication::new("jobs".to_owned(), key.to_owned(), "application/json", id, Vec::new())
    }

    fn confirmed_with(returned: Option<&Publication>) -> lapin::Result<Confirmation> {
        Ok(Confirmation::Ack(returned.map(|message| BasicReturnMessage {
            delivery: Delivery {
                properties: message.properties.clone(),
                ..Delivery::mock(0, "jobs".into(), message.key.as_str().into(), false, Vec::new())
            },
            reply_code: 312,
            reply_text: "NO_ROUTE".into(),
        })))
    }

    #[test]
    fn what_came_back_is_told_of_its_own_message_whichever_confirm_it_came_with() {
        let (taken, lost) = (job("quick", "1"), job("missing", "2"));
        let messages = [&taken, &lost];
        for confirmations in [
            vec![confirmed_with(Some(&lost)), confirmed_with(None)],
            vec![confirmed_with(None), confirmed_with(Some(&lost))],
        ] {
            let answers: Vec<_> = answers(&messages, confirmations).into_iter().map(Result::unwrap).collect();
            assert_eq!(answers, [Answer::Confirmed, Answer::Returned]);
        }
    }
}
