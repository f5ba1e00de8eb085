//! Seals the messages between pods: what a relayed request says of its user is the word of the gateway that checked the
//! token, and nobody else who may write to the exchange can give it.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use backplane::ControlMessage;
use jiff::Timestamp;
use model::{Environment, PodId};
use serde::{Deserialize, Serialize};

use super::peer_message::PeerMessage;
use crate::token::InternalKey;

/// The time that a message may be under way, or pods' clocks may differ.
const MAX_AGE: Duration = Duration::from_secs(60);
/// The numbers that are remembered of one pod; a message that so many later ones have overtaken is refused.
const REMEMBERED: u64 = 16 * 1024;
const WORD: u64 = u64::BITS as u64;
/// The pods whose numbers are remembered; beyond it the one silent for longest is forgotten.
const MAX_PODS: usize = 256;

/// Why a message is dropped; the text is a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SealFault {
    /// It has no seal of a gateway of this environment, or says something else than was sealed.
    #[error("unsealed")]
    Unsealed,
    /// It was sealed too long ago, or in the future.
    #[error("stale")]
    Stale,
    /// It has been received before.
    #[error("replayed")]
    Replayed,
}

/// Seals the messages of one pod in one environment.
pub(super) struct Seal {
    key: InternalKey,
    environment: Environment,
    pod: PodId,
    last: AtomicU64,
}

/// The body of a control message: a [`SealedMessage`] as JSON text, and its signature.
#[derive(Serialize, Deserialize)]
struct SealedBody {
    sealed: String,
    seal: String,
}

#[derive(Serialize, Deserialize)]
struct SealedMessage {
    environment: Environment,
    from: PodId,
    to: Option<PodId>,
    /// Counted by the sender.
    number: u64,
    /// In milliseconds since 1970.
    sent: i64,
    message: PeerMessage,
}

impl Seal {
    pub(super) fn new(key: InternalKey, environment: Environment, pod: PodId) -> Self {
        Self { key, environment, pod, last: AtomicU64::new(0) }
    }

    /// The sealed message to a pod, or to all.
    pub(super) fn seal(&self, to: Option<&PodId>, message: PeerMessage) -> serde_json::Result<ControlMessage> {
        let (from, to) = (self.pod.clone(), to.cloned());
        let sealed = SealedMessage {
            environment: self.environment.clone(),
            from: from.clone(),
            to: to.clone(),
            number: self.last.fetch_add(1, Ordering::Relaxed) + 1,
            sent: Timestamp::now().as_millisecond(),
            message,
        };
        let sealed = serde_json::to_string(&sealed)?;
        let seal = self.key.sign(&signed_text(&sealed));
        Ok(ControlMessage { from, to, body: serde_json::to_value(SealedBody { sealed, seal })? })
    }

    /// The sender and content of a message that another pod has sealed for this one or for all, once.
    pub(super) fn open(
        &self,
        message: &ControlMessage,
        received: &mut ReceivedNumbers,
    ) -> Result<(PodId, bool, PeerMessage), SealFault> {
        let SealedBody { sealed, seal } = SealedBody::deserialize(&message.body).map_err(|_| SealFault::Unsealed)?;
        if !self.key.verify(&seal, &signed_text(&sealed)) {
            return Err(SealFault::Unsealed);
        }
        let sealed: SealedMessage = serde_json::from_str(&sealed).map_err(|_| SealFault::Unsealed)?;
        let is_for_this_pod = sealed.to.as_ref().is_none_or(|to| *to == self.pod);
        if sealed.environment != self.environment || !is_for_this_pod {
            return Err(SealFault::Unsealed);
        }
        let now = Timestamp::now().as_millisecond();
        if now.abs_diff(sealed.sent) > MAX_AGE.as_millis() as u64 {
            return Err(SealFault::Stale);
        }
        if !received.is_new(&sealed.from, sealed.number, now) {
            return Err(SealFault::Replayed);
        }
        Ok((sealed.from, sealed.to.is_some(), sealed.message))
    }
}

fn signed_text(sealed: &str) -> Vec<u8> {
    format!("control {sealed}").into_bytes()
}

/// The numbers of the messages that were received, so that none is taken twice.
#[derive(Default)]
pub(super) struct ReceivedNumbers(HashMap<PodId, PodNumbers>);

struct PodNumbers {
    highest: u64,
    /// A bit for each of the last numbers, at its remainder.
    received: Box<[u64]>,
    last: i64,
}

impl ReceivedNumbers {
    fn is_new(&mut self, pod: &PodId, number: u64, now: i64) -> bool {
        if self.0.len() >= MAX_PODS
            && !self.0.contains_key(pod)
            && let Some(silent) = self.0.iter().min_by_key(|(_, numbers)| numbers.last).map(|(pod, _)| pod.clone())
        {
            self.0.remove(&silent);
        }
        let numbers = self.0.entry(pod.clone()).or_insert_with(|| PodNumbers {
            highest: 0,
            received: vec![0; (REMEMBERED / WORD) as usize].into(),
            last: now,
        });
        numbers.last = now;
        numbers.add(number)
    }
}

impl PodNumbers {
    /// Adds a number; false if it is there already, or so old that this is not known.
    fn add(&mut self, number: u64) -> bool {
        if number > self.highest {
            let passed = (number - self.highest).min(REMEMBERED);
            for step in 1..=passed {
                let (word, bit) = self.bit(number - passed + step);
                *word &= !bit;
            }
            self.highest = number;
        }
        if self.highest - number >= REMEMBERED {
            return false;
        }
        let (word, bit) = self.bit(number);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn bit(&mut self, number: u64) -> (&mut u64, u64) {
        let at = number % REMEMBERED;
        (&mut self.received[(at / WORD) as usize], 1 << (at % WORD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Key;

    fn seal(secret: &[u8], environment: &str, pod: &PodId) -> Seal {
        Seal::new(Key::hs256(secret, None, None).internal, environment.parse().unwrap(), pod.clone())
    }

    const SECRET: &[u8] = b"the secret of prod, which is long enough";

    #[test]
    fn a_sealed_message_is_opened_once_by_those_it_is_for() {
        let [one, two, three] = [PodId::gateway(), PodId::gateway(), PodId::gateway()];
        let (sender, receiver) = (seal(SECRET, "prod", &one), seal(SECRET, "prod", &two));
        let mut received = ReceivedNumbers::default();
        let to_all = sender.seal(None, PeerMessage::Accepted { number: 7 }).unwrap();
        let to_two = sender.seal(Some(&two), PeerMessage::Accepted { number: 8 }).unwrap();
        // The second overtakes the first.
        for (message, is_for_this_pod, wanted) in [(&to_two, true, 8), (&to_all, false, 7)] {
            let (from, to_this, opened) = receiver.open(message, &mut received).unwrap();
            assert_eq!((from, to_this), (one.clone(), is_for_this_pod));
            assert!(matches!(opened, PeerMessage::Accepted { number } if number == wanted), "{opened:?}");
            assert_eq!(receiver.open(message, &mut received).unwrap_err(), SealFault::Replayed);
        }
        let elsewhere = seal(SECRET, "prod", &three).open(&to_two, &mut ReceivedNumbers::default());
        assert_eq!(elsewhere.unwrap_err(), SealFault::Unsealed);
    }

    #[test]
    fn what_no_gateway_of_the_environment_has_sealed_is_refused() {
        let [one, two] = [PodId::gateway(), PodId::gateway()];
        let receiver = seal(SECRET, "prod", &two);
        let good = seal(SECRET, "prod", &one).seal(None, PeerMessage::Accepted { number: 7 }).unwrap();
        let altered = |from: &str, to: &str| {
            let body = good.body.to_string().replace(from, to);
            assert_ne!(body, good.body.to_string());
            ControlMessage { body: serde_json::from_str(&body).unwrap(), ..good.clone() }
        };
        let bare = serde_json::to_value(PeerMessage::Accepted { number: 7 }).unwrap();
        let forged = [
            ControlMessage { body: bare, ..good.clone() },
            altered("heard", "got"),
            altered(one.as_str(), PodId::gateway().as_str()),
            seal(b"another secret that is long enough", "prod", &one)
                .seal(None, PeerMessage::Accepted { number: 7 })
                .unwrap(),
            seal(SECRET, "test", &one).seal(None, PeerMessage::Accepted { number: 7 }).unwrap(),
        ];
        for message in forged {
            let opened = receiver.open(&message, &mut ReceivedNumbers::default());
            assert_eq!(opened.unwrap_err(), SealFault::Unsealed, "{message:?}");
        }
        let key = Key::hs256(SECRET, None, None).internal;
        let mut sealed: serde_json::Value = serde_json::from_str(good.body["sealed"].as_str().unwrap()).unwrap();
        sealed["sent"] = (Timestamp::now().as_millisecond() - 61_000).into();
        let sealed = sealed.to_string();
        let body = serde_json::json!({ "seal": key.sign(&signed_text(&sealed)), "sealed": sealed });
        let old = ControlMessage { body, ..good };
        assert_eq!(receiver.open(&old, &mut ReceivedNumbers::default()).unwrap_err(), SealFault::Stale);
    }

    #[test]
    fn each_number_is_new_once_in_any_order_and_never_when_it_is_too_old_to_know() {
        let mut received = ReceivedNumbers::default();
        let pod = PodId::gateway();
        let mut is_new = |number| received.is_new(&pod, number, 0);
        assert!(is_new(2) && is_new(1) && !is_new(2) && !is_new(1) && is_new(0) && !is_new(0));
        assert!(is_new(REMEMBERED + 1) && is_new(3) && !is_new(1) && !is_new(2));
        assert!(
            is_new(10 * REMEMBERED) && !is_new(REMEMBERED + 1) && is_new(9 * REMEMBERED + 1) && !is_new(9 * REMEMBERED)
        );
        for _ in 0..2 * MAX_PODS {
            received.is_new(&PodId::gateway(), 1, 1);
        }
        assert_eq!(received.0.len(), MAX_PODS);
    }
}
