//! The messages of a channel that the broker has not confirmed, or of which it is not sure yet whether they came back.
//!
//! The broker returns a message before it confirms it. The library keeps what came back in a queue, and gives the first
//! of it with the confirm that it reads next, whichever message that is of. So a confirm with nothing says that the
//! queue was empty: all that came back is with confirms that were read before. After one with another's message the own
//! one may still be queued, until a later confirm comes with nothing, or no message is unconfirmed: each took one of the
//! queue then.

use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
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

/// Messages in the order in which they are handed over.
#[derive(Default)]
pub(super) struct Unconfirmed(Vec<Message>);

struct Message {
    name: Name,
    since: Instant,
    answer: oneshot::Sender<lapin::Result<Answer>>,
    state: State,
    came_back: bool,
}

enum State {
    Publishing(BoxFuture<'static, lapin::Result<Confirmation>>),
    /// The broker's word, and whether it is sure by itself.
    Answered((lapin::Result<Answer>, bool)),
}

impl Unconfirmed {
    /// A message that is handed over when this is first polled, after all that were pushed before.
    pub(super) fn push(
        &mut self,
        name: Name,
        publishing: BoxFuture<'static, lapin::Result<Confirmation>>,
        answer: oneshot::Sender<lapin::Result<Answer>>,
    ) {
        let state = State::Publishing(publishing);
        self.0.push(Message { name, since: Instant::now(), answer, state, came_back: false });
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether anybody waits for an answer.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.iter().any(|message| !message.answer.is_closed())
    }

    /// How long the first was handed over ago.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.0.iter().map(|message| message.since.elapsed()).max()
    }

    /// Hands over what was pushed, and answers what can be when confirms have come.
    pub(super) async fn answer(&mut self) {
        poll_fn(|context| self.poll_answer(context)).await;
    }

    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Those found by now were read before any that is found from now on; of those found together nobody knows the order.
        let earlier: Vec<_> = self.0.iter().map(Message::is_confirmed).collect();
        let (mut found, mut seen) = (0, Seen::default());
        // Again until nothing is found: a confirm may be found whose predecessor was looked at too early.
        while let more @ 1.. = self.look(context, &mut seen) {
            found += more;
        }
        if found == 0 {
            return Poll::Pending;
        }
        for name in seen.returned {
            let first = self.0.iter_mut().find(|message| !message.came_back && message.name == name);
            first.into_iter().for_each(|message| message.came_back = true);
        }
        let all = seen.error.is_none() && self.0.iter().all(Message::is_confirmed);
        let messages = std::mem::take(&mut self.0).into_iter().zip(earlier);
        let kept = messages.filter_map(|(message, was_found)| match &seen.error {
            Some(error) => message.answer_or(error),
            None => message.answer(all || was_found && seen.was_empty),
        });
        self.0 = kept.collect();
        Poll::Ready(())
    }

    /// Looks at each once; how many were answered since.
    fn look(&mut self, context: &mut Context<'_>, seen: &mut Seen) -> usize {
        let mut found = 0;
        for message in &mut self.0 {
            let State::Publishing(publishing) = &mut message.state else { continue };
            let Poll::Ready(confirmation) = publishing.as_mut().poll(context) else { continue };
            found += 1;
            message.state = State::Answered(match confirmation {
                Ok(Confirmation::Nack(carried)) => (Ok(Answer::Refused), seen.take(carried)),
                Ok(Confirmation::Ack(carried)) => (Ok(Answer::Confirmed), seen.take(carried)),
                Ok(Confirmation::NotRequested) => (Ok(Answer::Confirmed), true),
                Err(error) => {
                    seen.error.get_or_insert_with(|| error.clone());
                    (Err(error), true)
                }
            });
        }
        found
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
    /// Notes what came with a confirm; true if that was nothing.
    fn take(&mut self, carried: Option<BasicReturnMessage>) -> bool {
        let Some(returned) = carried else {
            self.was_empty = true;
            return true;
        };
        let id = returned.properties.message_id().as_ref().map_or("", |id| id.as_str());
        self.returned.push((returned.routing_key.as_str().to_owned(), id.to_owned()));
        false
    }
}

impl Message {
    fn is_confirmed(&self) -> bool {
        matches!(self.state, State::Answered(_))
    }

    /// Answers it if that is sure, by itself or by what others have shown; else it is kept.
    fn answer(self, is_shown: bool) -> Option<Self> {
        match self.state {
            State::Answered((answer, is_sure)) if is_sure || is_shown || self.came_back => {
                let answer = answer.map(|answer| if self.came_back { Answer::Returned } else { answer });
                // Whoever waits no longer sends it again.
                self.answer.send(answer).ok();
                None
            }
            state => Some(Self { state, ..self }),
        }
    }

    /// The same; one that is not sure will never be.
    fn answer_or(self, error: &lapin::Error) -> Option<Self> {
        let unsure = self.answer(false)?;
        if !unsure.is_confirmed() {
            return Some(unsure);
        }
        unsure.answer.send(Err(error.clone())).ok();
        None
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
        unconfirmed.answer().now_or_never().unwrap();
        assert_eq!(told(&mut answers), [None, Some(Answer::Confirmed), None]);
        assert!(unconfirmed.answer().now_or_never().is_none());
        confirms.remove(0).send(Ok(Confirmation::Nack(None))).unwrap();
        unconfirmed.answer().now_or_never().unwrap();
        assert_eq!(told(&mut answers[..1]), [Some(Answer::Refused)]);
    }

    #[test]
    fn what_came_back_is_told_of_its_own_message_whichever_confirm_it_came_with() {
        for carried in [[Some("2"), None], [None, Some("2")]] {
            let (mut unconfirmed, confirms, mut answers) = messages(&["1", "2"]);
            confirms.into_iter().zip(carried).for_each(|(confirm, carried)| confirm.send(with(carried)).unwrap());
            unconfirmed.answer().now_or_never().unwrap();
            assert_eq!(told(&mut answers), [Some(Answer::Confirmed), Some(Answer::Returned)]);
        }
    }

    #[test]
    fn one_whose_confirm_came_with_anothers_message_waits_until_its_own_cannot_come_any_more() {
        use Answer::{Confirmed, Returned};
        // 2 and 3 came back: 3 is confirmed first, with what came back of 2.
        let (mut unconfirmed, mut confirms, mut answers) = messages(&["1", "2", "3", "4"]);
        confirms.remove(2).send(with(Some("2"))).unwrap();
        unconfirmed.answer().now_or_never().unwrap();
        assert_eq!(told(&mut answers), [None; 4]);
        confirms.remove(0).send(with(Some("3"))).unwrap();
        unconfirmed.answer().now_or_never().unwrap();
        assert_eq!(told(&mut answers), [None, None, Some(Returned), None]);
        // Only now is it shown that nothing is left of 1.
        confirms.remove(1).send(with(None)).unwrap();
        unconfirmed.answer().now_or_never().unwrap();
        assert_eq!(told(&mut answers), [Some(Confirmed), None, None, Some(Confirmed)]);
        confirms.remove(0).send(with(None)).unwrap();
        unconfirmed.answer().now_or_never().unwrap();
        assert_eq!(told(&mut answers[1..2]), [Some(Returned)]);
    }

    #[test]
    fn of_those_found_together_none_shows_anything_of_another() {
        // 1 came back as well, and what it left in the queue may come with the confirm of 3.
        let (mut unconfirmed, mut confirms, mut answers) = messages(&["1", "2", "3"]);
        confirms.remove(0).send(with(Some("9"))).unwrap();
        confirms.remove(0).send(with(None)).unwrap();
        unconfirmed.answer().now_or_never().unwrap();
        assert_eq!(told(&mut answers), [None, Some(Answer::Confirmed), None]);
        confirms.remove(0).send(with(Some("1"))).unwrap();
        unconfirmed.answer().now_or_never().unwrap();
        assert_eq!(told(&mut answers[..1]), [Some(Answer::Returned)]);
    }

    #[test]
    fn the_last_that_are_confirmed_need_no_other_to_show_it() {
        let (mut unconfirmed, confirms, mut answers) = messages(&["1", "2"]);
        confirms.into_iter().zip([Some("2"), Some("9")]).for_each(|(c, carried)| c.send(with(carried)).unwrap());
        unconfirmed.answer().now_or_never().unwrap();
        assert_eq!(told(&mut answers), [Some(Answer::Confirmed), Some(Answer::Returned)]);
    }

    #[test]
    fn one_that_was_not_sure_when_the_channel_ended_is_not_told_to_be_confirmed() {
        let (mut unconfirmed, mut confirms, mut answers) = messages(&["1", "2"]);
        confirms.remove(0).send(with(Some("9"))).unwrap();
        unconfirmed.answer().now_or_never().unwrap();
        confirms.remove(0).send(Err(ErrorKind::FutureCompleted.into())).unwrap();
        unconfirmed.answer().now_or_never().unwrap();
        assert!(answers[0].try_recv().unwrap().is_err());
    }

    #[test]
    fn the_end_of_the_channel_answers_all_with_its_reason() {
        let (mut unconfirmed, confirms, mut answers) = messages(&["1", "2"]);
        confirms.into_iter().for_each(|c| c.send(Err(ErrorKind::FutureCompleted.into())).unwrap());
        unconfirmed.answer().now_or_never().unwrap();
        assert!(answers.iter_mut().all(|answered| answered.try_recv().unwrap().is_err()));
    }
}
