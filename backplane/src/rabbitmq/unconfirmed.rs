//! The messages of a channel that the broker has not confirmed, or of which it is not sure yet whether they came back.
//!
//! The broker returns a message before it confirms it. The library keeps what came back in a queue, and gives the first
//! of it with the confirm that it reads next, whichever message that is of. So a confirm with nothing says that the
//! queue was empty: all that came back is with confirms that were read before. After one with another's message the own
//! one may still be queued, until a later confirm comes with nothing, or no message is unconfirmed: each took one of the
//! queue then.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::{Confirmation, message::BasicReturnMessage};
use tokio::{sync::oneshot, time::Instant};

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

/// A routing key and the id of a message.
type Name = (String, String);

/// Messages by their numbers, in the order in which they are handed over.
#[derive(Default)]
pub(super) struct Unconfirmed {
    messages: BTreeMap<u64, Message>,
    next: u64,
    /// The number of times that messages were handed over together.
    hand_overs: u64,
    publishing: FuturesUnordered<Publishing>,
    /// Those whose confirm has come, with the broker's word and whether that is sure; and what else came with them.
    found: Vec<(u64, (lapin::Result<Answer>, bool))>,
    seen: Seen,
    /// Those that are confirmed, and may have come back.
    unsure: Vec<(u64, lapin::Result<Answer>)>,
    /// Once the channel has ended, whether all that waited were handed over together: only then it ended for their sake, and the
    /// broker has taken none of them.
    ended_for_all: Option<bool>,
}

struct Message {
    name: Name,
    hand_over: u64,
    since: Instant,
    answer: oneshot::Sender<lapin::Result<Answer>>,
    came_back: bool,
}

/// Comes to the number of a message and its confirm.
struct Publishing {
    number: u64,
    confirmed: BoxFuture<'static, lapin::Result<Confirmation>>,
}

impl Future for Publishing {
    type Output = (u64, lapin::Result<Confirmation>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let number = self.number;
        self.confirmed.as_mut().poll(context).map(|confirmation| (number, confirmation))
    }
}

impl Unconfirmed {
    /// What is pushed from now on is handed over together.
    pub(super) fn begin_hand_over(&mut self) {
        self.hand_overs += 1;
    }

    /// A message that is handed over when `confirmed` is first polled, after all that were pushed before.
    pub(super) fn push(
        &mut self,
        name: Name,
        confirmed: BoxFuture<'static, lapin::Result<Confirmation>>,
        answer: oneshot::Sender<lapin::Result<Answer>>,
    ) {
        let number = self.next;
        self.next += 1;
        self.messages.insert(
            number,
            Message { name, hand_over: self.hand_overs, since: Instant::now(), answer, came_back: false },
        );
        self.publishing.push(Publishing { number, confirmed });
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether anybody waits for an answer.
    pub(super) fn is_awaited(&self) -> bool {
        self.messages.values().any(|message| !message.answer.is_closed())
    }

    /// How long the first was handed over ago.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.messages.first_key_value().map(|(_, message)| message.since.elapsed())
    }

    /// Hands over what was pushed, and waits until confirms have come.
    pub(super) async fn confirmed(&mut self) {
        poll_fn(|context| self.poll_confirmed(context)).await;
    }

    /// The same, until all are confirmed.
    pub(super) async fn all_confirmed(&mut self) {
        poll_fn(|context| match self.poll_confirmed(context) {
            Poll::Ready(()) if self.publishing.is_empty() => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }

    fn poll_confirmed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Whose confirm is read first is woken first, so none is found before one that was read earlier.
        while let Poll::Ready(Some((number, confirmation))) = self.publishing.poll_next_unpin(context) {
            let said = self.seen.take(confirmation);
            self.found.push((number, said));
        }
        if self.found.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Answers what can be; all confirms that have come by now count as found together.
    pub(super) fn answer(&mut self) {
        // What is not ready is asked again by whoever waits for confirms.
        let _ = self.poll_confirmed(&mut Context::from_waker(Waker::noop()));
        let seen = std::mem::take(&mut self.seen);
        for name in &seen.returned {
            let first = self.messages.values_mut().find(|message| !message.came_back && message.name == *name);
            first.into_iter().for_each(|message| message.came_back = true);
        }
        if seen.error.is_some() && self.ended_for_all.is_none() {
            let mut hand_overs = self.messages.values().map(|message| message.hand_over);
            let first = hand_overs.next();
            self.ended_for_all = Some(hand_overs.all(|hand_over| Some(hand_over) == first));
        }
        let all = seen.error.is_none() && self.publishing.is_empty();
        // Those found before were read before; of those found together none is asked for the order.
        for (number, answer) in std::mem::take(&mut self.unsure) {
            self.tell(number, answer, all || seen.was_empty, &seen.error);
        }
        for (number, (answer, is_sure)) in std::mem::take(&mut self.found) {
            self.tell(number, answer, all || is_sure, &seen.error);
        }
    }

    /// Answers a confirmed message if that is sure; one that is not when the channel has ended will never be.
    fn tell(&mut self, number: u64, answer: lapin::Result<Answer>, is_sure: bool, error: &Option<lapin::Error>) {
        let Entry::Occupied(message) = self.messages.entry(number) else { return };
        let answer = match (message.get().came_back, is_sure, error) {
            (true, ..) => answer.map(|_| Answer::Returned),
            (false, true, _) => answer,
            (false, false, Some(error)) => Err(error.clone()),
            (false, false, None) => return self.unsure.push((number, answer)),
        };
        let sender = message.remove().answer;
        // Whoever is told nothing knows that the broker may have taken it.
        if answer.is_ok() || self.ended_for_all != Some(false) {
            // Whoever waits no longer sends it again.
            sender.send(answer).ok();
        }
    }
}

/// What was found at one time.
#[derive(Default)]
struct Seen {
    returned: Vec<Name>,
    /// Nothing was queued that came back.
    was_empty: bool,
    /// The channel has ended, and what was queued is lost.
    error: Option<lapin::Error>,
}

impl Seen {
    /// The broker's word on a message, and whether it is sure by itself; notes what came with it.
    fn take(&mut self, confirmation: lapin::Result<Confirmation>) -> (lapin::Result<Answer>, bool) {
        match confirmation {
            Ok(Confirmation::Nack(carried)) => (Ok(Answer::Refused), self.is_empty(carried)),
            Ok(Confirmation::Ack(carried)) => (Ok(Answer::Confirmed), self.is_empty(carried)),
            Ok(Confirmation::NotRequested) => (Ok(Answer::Confirmed), true),
            Err(error) => {
                self.error.get_or_insert_with(|| error.clone());
                (Err(error), true)
            }
        }
    }

    /// Notes what came with a confirm; true if that was nothing.
    fn is_empty(&mut self, carried: Option<BasicReturnMessage>) -> bool {
        let Some(returned) = carried else {
            self.was_empty = true;
            return true;
        };
        let id = returned.properties.message_id().as_ref().map_or("", |id| id.as_str());
        self.returned.push((returned.routing_key.as_str().to_owned(), id.to_owned()));
        false
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use lapin::{BasicProperties, ErrorKind, message::Delivery};

    use super::*;

    type Answered = oneshot::Receiver<lapin::Result<Answer>>;
    type Confirm = oneshot::Sender<lapin::Result<Confirmation>>;

    /// Messages with these ids; the broker's hand for each, and the sender's.
    fn messages(ids: &[&str]) -> (Unconfirmed, Vec<Confirm>, Vec<Answered>) {
        let mut unconfirmed = Unconfirmed::default();
        let (mut confirms, mut answers) = (Vec::new(), Vec::new());
        for id in ids {
            let (confirm, confirmed) = oneshot::channel();
            let (answer, answered) = oneshot::channel();
            let publishing = async { confirmed.await.unwrap() };
            unconfirmed.push(("key".to_owned(), (*id).to_owned()), publishing.boxed(), answer);
            confirms.push(confirm);
            answers.push(answered);
        }
        (unconfirmed, confirms, answers)
    }

    fn answer(unconfirmed: &mut Unconfirmed) {
        unconfirmed.confirmed().now_or_never().unwrap();
        unconfirmed.answer();
    }

    fn with(returned: Option<&str>) -> lapin::Result<Confirmation> {
        Ok(Confirmation::Ack(returned.map(|id| BasicReturnMessage {
            delivery: Delivery {
                properties: BasicProperties::default().with_message_id(id.into()),
                ..Delivery::mock(0, "jobs".into(), "key".into(), false, Vec::new())
            },
            reply_code: 312,
            reply_text: "NO_ROUTE".into(),
        })))
    }

    fn told(answers: &mut [Answered]) -> Vec<Option<Answer>> {
        answers.iter_mut().map(|answered| answered.try_recv().ok().map(Result::unwrap)).collect()
    }

    #[test]
    fn each_is_answered_as_it_is_confirmed_whatever_others_wait_for() {
        let (mut unconfirmed, mut confirms, mut answers) = messages(&["1", "2", "3"]);
        confirms.remove(1).send(with(None)).unwrap();
        answer(&mut unconfirmed);
        assert_eq!(told(&mut answers), [None, Some(Answer::Confirmed), None]);
        assert!(unconfirmed.confirmed().now_or_never().is_none());
        confirms.remove(0).send(Ok(Confirmation::Nack(None))).unwrap();
        answer(&mut unconfirmed);
        assert_eq!(told(&mut answers[..1]), [Some(Answer::Refused)]);
    }

    #[test]
    fn what_came_back_is_told_of_its_own_message_whichever_confirm_it_came_with() {
        for carried in [[Some("2"), None], [None, Some("2")]] {
            let (mut unconfirmed, confirms, mut answers) = messages(&["1", "2"]);
            confirms.into_iter().zip(carried).for_each(|(confirm, carried)| confirm.send(with(carried)).unwrap());
            answer(&mut unconfirmed);
            assert_eq!(told(&mut answers), [Some(Answer::Confirmed), Some(Answer::Returned)]);
        }
    }

    #[test]
    fn one_whose_confirm_came_with_anothers_message_waits_until_its_own_cannot_come_any_more() {
        use Answer::{Confirmed, Returned};
        // 2 and 3 came back: 3 is confirmed first, with what came back of 2.
        let (mut unconfirmed, mut confirms, mut answers) = messages(&["1", "2", "3", "4"]);
        confirms.remove(2).send(with(Some("2"))).unwrap();
        answer(&mut unconfirmed);
        assert_eq!(told(&mut answers), [None; 4]);
        confirms.remove(0).send(with(Some("3"))).unwrap();
        answer(&mut unconfirmed);
        assert_eq!(told(&mut answers), [None, None, Some(Returned), None]);
        // Only now is it shown that nothing is left of 1.
        confirms.remove(1).send(with(None)).unwrap();
        answer(&mut unconfirmed);
        assert_eq!(told(&mut answers), [Some(Confirmed), None, None, Some(Confirmed)]);
        confirms.remove(0).send(with(None)).unwrap();
        answer(&mut unconfirmed);
        assert_eq!(told(&mut answers[1..2]), [Some(Returned)]);
    }

    #[test]
    fn of_those_found_together_none_shows_anything_of_another() {
        // 1 came back as well, and what it left in the queue may come with the confirm of 3.
        let (mut unconfirmed, mut confirms, mut answers) = messages(&["1", "2", "3"]);
        confirms.remove(0).send(with(Some("9"))).unwrap();
        confirms.remove(0).send(with(None)).unwrap();
        answer(&mut unconfirmed);
        assert_eq!(told(&mut answers), [None, Some(Answer::Confirmed), None]);
        confirms.remove(0).send(with(Some("1"))).unwrap();
        answer(&mut unconfirmed);
        assert_eq!(told(&mut answers[..1]), [Some(Answer::Returned)]);
    }

    #[test]
    fn the_last_that_are_confirmed_need_no_other_to_show_it() {
        let (mut unconfirmed, confirms, mut answers) = messages(&["1", "2"]);
        confirms.into_iter().zip([Some("2"), Some("9")]).for_each(|(c, carried)| c.send(with(carried)).unwrap());
        answer(&mut unconfirmed);
        assert_eq!(told(&mut answers), [Some(Answer::Confirmed), Some(Answer::Returned)]);
    }

    #[test]
    fn one_that_was_not_sure_when_the_channel_ended_is_not_told_to_be_confirmed() {
        let (mut unconfirmed, mut confirms, mut answers) = messages(&["1", "2"]);
        confirms.remove(0).send(with(Some("9"))).unwrap();
        answer(&mut unconfirmed);
        confirms.remove(0).send(Err(ErrorKind::FutureCompleted.into())).unwrap();
        answer(&mut unconfirmed);
        assert!(answers[0].try_recv().unwrap().is_err());
    }

    #[test]
    fn a_refusal_that_ends_the_channel_is_not_told_of_what_was_handed_over_before() {
        let (mut unconfirmed, mut confirms, mut answers) = messages(&["1"]);
        let (confirm, confirmed) = oneshot::channel();
        let (answer_later, later) = oneshot::channel();
        unconfirmed.begin_hand_over();
        let publishing = async { confirmed.await.unwrap() };
        unconfirmed.push(("key".to_owned(), "2".to_owned()), publishing.boxed(), answer_later);
        answers.push(later);
        for confirm in [confirm, confirms.remove(0)] {
            confirm.send(Err(ErrorKind::FutureCompleted.into())).unwrap();
            answer(&mut unconfirmed);
        }
        assert!(answers.iter_mut().all(|answered| answered.try_recv() == Err(oneshot::error::TryRecvError::Closed)));
    }

    #[test]
    fn the_end_of_the_channel_answers_all_with_its_reason() {
        let (mut unconfirmed, confirms, mut answers) = messages(&["1", "2"]);
        confirms.into_iter().for_each(|c| c.send(Err(ErrorKind::FutureCompleted.into())).unwrap());
        answer(&mut unconfirmed);
        assert!(answers.iter_mut().all(|answered| answered.try_recv().unwrap().is_err()));
    }
}
