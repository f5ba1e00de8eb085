//! Settles the deliveries of one channel: those that are done one after another with a single frame.
//!
//! A frame that acknowledges several settles all before it that are open. So every delivery of the channel is registered
//! in its order, and each word about one goes out here: nothing that is still open comes before a frame for several.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::FutureExt;
use lapin::{
    Channel,
    options::{BasicAckOptions, BasicRejectOptions},
    types::DeliveryTag,
};
use tokio::task::yield_now;

/// Rejected, since RabbitMQ 4.3 does not count a `nack` as a delivery: a job that breaks each worker would go round for ever.
const REQUEUE: BasicRejectOptions = BasicRejectOptions { requeue: true };

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// It is removed.
    Done,
    /// It goes back to its queue.
    Requeue,
}

/// The open deliveries of a channel, which it keeps open.
pub(super) struct Acknowledger {
    channel: Channel,
    deliveries: Mutex<Deliveries>,
}

/// The open deliveries by their tags, with what is to be said of them.
#[derive(Default)]
struct Deliveries {
    open: BTreeMap<DeliveryTag, Option<Word>>,
    /// Somebody is about to send what was said.
    is_sending: bool,
}

/// What is sent to the broker.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Ack { tag: DeliveryTag, multiple: bool },
    Requeue(DeliveryTag),
}

impl Acknowledger {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel, deliveries: Mutex::default() }
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// A delivery came; those of a channel are registered in the order in which they came.
    pub(super) fn open(&self, tag: DeliveryTag) {
        self.deliveries().open.insert(tag, None);
    }

    /// Settles a delivery, together with those that are settled at the same moment. Cut off, it is settled all the same.
    pub(super) async fn settle(&self, tag: DeliveryTag, word: Word) -> lapin::Result<()> {
        if !self.deliveries().say(tag, word) {
            return Ok(());
        }
        let sending = Sending(self);
        // Ends that were confirmed together are settled by tasks that are about to run.
        yield_now().await;
        std::mem::forget(sending);
        self.send()
    }

    /// Settles a delivery at once, unless it is settled.
    pub(super) fn settle_now(&self, tag: DeliveryTag, word: Word) {
        if self.deliveries().say(tag, word) {
            self.send().ok();
        }
    }

    /// Hands over frames for all that was said. They stay in order: the first poll of a request hands it to the connection,
    /// and no more is needed.
    fn send(&self) -> lapin::Result<()> {
        let mut deliveries = self.deliveries();
        for frame in deliveries.take_frames() {
            let sent = match frame {
                Frame::Ack { tag, multiple } => {
                    self.channel.basic_ack(tag, BasicAckOptions { multiple }).now_or_never()
                }
                Frame::Requeue(tag) => self.channel.basic_reject(tag, REQUEUE).now_or_never(),
            };
            sent.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        // Each change is one step, so a panic elsewhere leaves it whole.
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what was said if whoever was about to is cut off.
struct Sending<'a>(&'a Acknowledger);

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.0.send().ok();
    }
}

impl Deliveries {
    /// Notes what becomes of an open delivery; true if the caller is to send it.
    fn say(&mut self, tag: DeliveryTag, word: Word) -> bool {
        let Some(open @ None) = self.open.get_mut(&tag) else { return false };
        *open = Some(word);
        !std::mem::replace(&mut self.is_sending, true)
    }

    /// Takes the frames for all that was said, in the order of the deliveries.
    fn take_frames(&mut self) -> Vec<Frame> {
        self.is_sending = false;
        let mut frames = Vec::new();
        let mut nothing_is_open_before = true;
        self.open.retain(|tag, word| {
            match (*word, frames.last_mut()) {
                (None, _) => nothing_is_open_before = false,
                (Some(Word::Done), Some(Frame::Ack { tag: last, multiple })) if nothing_is_open_before => {
                    (*last, *multiple) = (*tag, true);
                }
                (Some(Word::Done), _) => frames.push(Frame::Ack { tag: *tag, multiple: false }),
                (Some(Word::Requeue), _) => frames.push(Frame::Requeue(*tag)),
            }
            word.is_none()
        });
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(said: &[(DeliveryTag, Option<Word>)]) -> Vec<Frame> {
        let mut deliveries = Deliveries::default();
        deliveries.open.extend(said.iter().copied());
        let frames = deliveries.take_frames();
        assert!(deliveries.open.values().all(Option::is_none), "what was said is said once");
        frames
    }

    const DONE: Option<Word> = Some(Word::Done);
    const REQUEUE: Option<Word> = Some(Word::Requeue);

    #[test]
    fn those_done_one_after_another_are_acknowledged_by_one_frame() {
        assert_eq!(frames(&[(3, DONE), (4, DONE), (7, DONE)]), [Frame::Ack { tag: 7, multiple: true }]);
        assert_eq!(frames(&[(3, DONE), (4, None)]), [Frame::Ack { tag: 3, multiple: false }]);
    }

    #[test]
    fn one_that_is_not_done_is_never_acknowledged_by_the_frame_of_a_later_one() {
        let single = |tag| Frame::Ack { tag, multiple: false };
        assert_eq!(frames(&[(1, None), (2, DONE), (3, DONE)]), [single(2), single(3)]);
        let first_two = Frame::Ack { tag: 2, multiple: true };
        assert_eq!(frames(&[(1, DONE), (2, DONE), (3, None), (4, DONE), (5, DONE)]), [first_two, single(4), single(5)]);
    }

    #[test]
    fn one_that_goes_back_is_told_of_before_a_frame_for_several_passes_over_it() {
        let (first, both) = (Frame::Ack { tag: 1, multiple: false }, Frame::Ack { tag: 4, multiple: true });
        assert_eq!(frames(&[(1, DONE), (2, REQUEUE), (3, DONE), (4, DONE)]), [first, Frame::Requeue(2), both]);
    }

    #[test]
    fn what_was_said_of_a_delivery_first_counts() {
        let mut deliveries = Deliveries::default();
        deliveries.open.insert(1, None);
        assert!(deliveries.say(1, Word::Done));
        assert!(!deliveries.say(1, Word::Requeue));
        assert!(!deliveries.say(2, Word::Done), "it is not open");
        assert_eq!(deliveries.take_frames(), [Frame::Ack { tag: 1, multiple: false }]);
    }
}
