//! A channel with confirms on: what waits is written together, and each message is answered as soon as the broker's
//! word on it is sure.
//!
//! One task has the channel for itself, since the library numbers a message and hands it over in two steps: two tasks
//! that publish at once may get each other's confirms.

use std::{pin::pin, time::Duration};

use futures_util::future::BoxFuture;
use lapin::{Channel, Confirmation, options::BasicPublishOptions};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

use super::{
    publication::Publication,
    unconfirmed::{Answer, Unconfirmed},
};

/// While so many messages are handed over and not confirmed, no further batch is taken.
const MAX_UNCONFIRMED: usize = 256;
/// Batches that wait to be handed over.
const MAX_WAITING: usize = 64;
/// While messages are not confirmed, those that come wait no longer to be handed over together: the broker writes and syncs
/// what comes together once.
const GATHER: Duration = Duration::from_millis(50);
/// Confirmed messages wait no longer for the others that were handed over: those answered together go on together, which costs
/// less.
const TOGETHER: Duration = Duration::from_millis(5);
/// A channel with a message that is not confirmed for longer takes no more. It is longer than any sender waits.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause between two looks at that.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Most messages of a batch.
pub(super) const MAX_BATCH: usize = 128;

/// Messages that are handed over together, in their order, [`MAX_BATCH`] at most.
pub(super) type PublishBatch = Vec<PublishRequest>;

/// A message of one sender.
pub(super) struct PublishRequest {
    pub(super) message: Publication,
    /// Dropped if the channel ends before the broker has said anything.
    pub(super) answer: oneshot::Sender<lapin::Result<Answer>>,
}

/// A channel with confirms on. Its task goes on without it until whoever waits has an answer.
pub(super) struct PublishChannel {
    channel: Channel,
    batches: mpsc::Sender<PublishBatch>,
}

impl PublishChannel {
    /// Starts the task of a channel that has its confirms on, as one of these.
    pub(super) fn start(channel: Channel, tasks: &mut JoinSet<()>) -> Self {
        let (batches, receiver) = mpsc::channel(MAX_WAITING);
        let publishing = channel.clone();
        tasks.spawn(run(move |message| Box::pin(publish(publishing.clone(), message)), receiver));
        Self { channel, batches }
    }

    /// Whether it can be used.
    pub(super) fn is_open(&self) -> bool {
        self.channel.status().connected() && !self.batches.is_closed()
    }

    /// Takes batches.
    pub(super) fn batches(&self) -> mpsc::Sender<PublishBatch> {
        self.batches.clone()
    }
}

/// Hands a message over when first polled; comes to its confirm.
async fn publish(channel: Channel, message: Publication) -> lapin::Result<Confirmation> {
    let Publication { exchange, key, body, properties } = message;
    // Always mandatory: without it, a message that no queue is bound for is confirmed and lost.
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    channel.basic_publish(exchange.into(), key.into(), options, &body, properties).await?.await
}

/// Publishes until nobody sends any more, or a confirm is late; and then until nobody waits for an answer.
async fn run(
    publish: impl Fn(Publication) -> BoxFuture<'static, lapin::Result<Confirmation>>,
    mut receiver: mpsc::Receiver<PublishBatch>,
) {
    let mut unconfirmed = Unconfirmed::default();
    let mut look = interval(LOOK_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut has_ended, mut is_late) = (false, false);
    let mut gathered = pin!(sleep_until(Instant::now()));
    while !(has_ended || is_late) || unconfirmed.is_awaited() {
        let has_room = unconfirmed.len() < MAX_UNCONFIRMED;
        let gathers = unconfirmed.len() > 0 && Instant::now() < gathered.deadline();
        tokio::select! {
            biased;
            () = unconfirmed.confirmed() => {
                timeout(TOGETHER, unconfirmed.all_confirmed()).await.ok();
                unconfirmed.answer();
            }
            first = receiver.recv(), if has_room && !has_ended && !gathers => {
                has_ended = first.is_none();
                gathered.as_mut().reset(Instant::now() + GATHER);
                unconfirmed.begin_hand_over();
                let mut next = first;
                while let Some(batch) = next {
                    push(&mut unconfirmed, batch, &publish);
                    next = if unconfirmed.len() < MAX_UNCONFIRMED { receiver.try_recv().ok() } else { None };
                }
            }
            () = &mut gathered, if gathers => {}
            _ = look.tick(), if unconfirmed.len() > 0 => {
                if unconfirmed.oldest().is_some_and(|age| age > CONFIRM_TIMEOUT) {
                    // Others use a new channel; what was handed over here may be confirmed yet.
                    is_late = true;
                    receiver.close();
                }
            }
        }
    }
}

fn push(
    unconfirmed: &mut Unconfirmed,
    batch: PublishBatch,
    publish: impl Fn(Publication) -> BoxFuture<'static, lapin::Result<Confirmation>>,
) {
    for PublishRequest { message, answer } in batch {
        // Whoever waits no longer was told that it is not published.
        if !answer.is_closed() {
            let name = (message.key.clone(), message.id().to_owned());
            unconfirmed.push(name, publish(message), answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn request(key: &str) -> (PublishBatch, oneshot::Receiver<lapin::Result<Answer>>) {
        let message = Publication::new("jobs".to_owned(), key.to_owned(), "application/json", key, Vec::new());
        let (answer, answered) = oneshot::channel();
        (vec![PublishRequest { message, answer }], answered)
    }

    /// A channel whose broker confirms all at once but what goes to the key `stuck`.
    fn start() -> mpsc::Sender<PublishBatch> {
        let (requests, receiver) = mpsc::channel(MAX_WAITING);
        tokio::spawn(run(
            |message| match message.key.as_str() {
                "stuck" => Box::pin(std::future::pending()),
                _ => Box::pin(async { Ok(Confirmation::Ack(None)) }),
            },
            receiver,
        ));
        requests
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_confirms_nothing_keeps_no_answer_from_others() {
        let requests = start();
        let (stuck, mut waits) = request("stuck");
        requests.send(stuck).await.ok().unwrap();
        for _ in 0..3 {
            let (quick, answered) = request("quick");
            requests.send(quick).await.ok().unwrap();
            assert_eq!(timeout(LOOK_INTERVAL, answered).await.unwrap().unwrap().unwrap(), Answer::Confirmed);
        }
        assert!((&mut waits).now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_while_another_is_unconfirmed_waits_a_moment_for_more() {
        let requests = start();
        let (stuck, _waits) = request("stuck");
        requests.send(stuck).await.ok().unwrap();
        tokio::task::yield_now().await;
        let began = Instant::now();
        let (quick, answered) = request("quick");
        requests.send(quick).await.ok().unwrap();
        answered.await.unwrap().unwrap();
        assert_eq!(began.elapsed(), GATHER + TOGETHER);
        let (quick, answered) = request("quick");
        requests.send(quick).await.ok().unwrap();
        answered.await.unwrap().unwrap();
        assert_eq!(began.elapsed(), 2 * (GATHER + TOGETHER) - TOGETHER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_whose_confirm_is_late_takes_no_more_and_ends_when_nobody_waits() {
        let requests = start();
        let (stuck, waits) = request("stuck");
        requests.send(stuck).await.ok().unwrap();
        timeout(CONFIRM_TIMEOUT, requests.closed()).await.unwrap_err();
        timeout(2 * LOOK_INTERVAL, requests.closed()).await.unwrap();
        let mut waits = Box::pin(waits);
        assert!(timeout(CONFIRM_TIMEOUT, &mut waits).await.is_err(), "it may be confirmed yet");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_any_more_is_not_handed_over() {
        let (requests, receiver) = mpsc::channel(MAX_WAITING);
        let (given_up, _) = request("given up");
        let (awaited, answered) = request("awaited");
        requests.send(given_up).await.ok().unwrap();
        requests.send(awaited).await.ok().unwrap();
        let (handed, mut taken) = mpsc::channel(2);
        tokio::spawn(run(
            move |message| {
                handed.try_send(message.key).unwrap();
                Box::pin(async { Ok(Confirmation::Ack(None)) })
            },
            receiver,
        ));
        answered.await.unwrap().unwrap();
        assert_eq!(taken.recv().await.as_deref(), Some("awaited"));
        assert!(taken.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_handed_over_whole_and_in_its_order() {
        let (requests, receiver) = mpsc::channel(MAX_WAITING);
        let (handed, mut taken) = mpsc::channel(MAX_BATCH);
        tokio::spawn(run(
            move |message| {
                handed.try_send(message.key).unwrap();
                Box::pin(std::future::pending())
            },
            receiver,
        ));
        let keys: Vec<_> = (0..MAX_BATCH).map(|number| number.to_string()).collect();
        let (batch, _answers): (Vec<_>, Vec<_>) = keys.iter().map(|key| request(key)).unzip();
        let began = Instant::now();
        requests.send(batch.into_iter().flatten().collect()).await.ok().unwrap();
        for key in keys {
            assert_eq!(taken.recv().await, Some(key));
        }
        assert!(began.elapsed() < GATHER, "none waits for another's confirm");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unconfirmed_is_bounded() {
        let requests = start();
        let mut waiting = Vec::new();
        for _ in 0..MAX_UNCONFIRMED + MAX_WAITING {
            let (stuck, waits) = request("stuck");
            timeout(LOOK_INTERVAL, requests.send(stuck)).await.unwrap().ok().unwrap();
            waiting.push(waits);
        }
        assert!(timeout(LOOK_INTERVAL, requests.send(request("stuck").0)).await.is_err());
    }
}
