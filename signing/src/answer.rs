//! The signature of an answer: a gateway's word on who has answered.

use model::{
    Environment,
    approval::{Answer, Decision},
};

use crate::{
    key::{SigningKey, VerifyingKeys},
    text::SignedText,
};

impl SigningKey {
    /// The answer, signed by an environment's gateway.
    pub fn sign_answer(&self, environment: &Environment, answer: Answer) -> Answer {
        Answer { signature: self.sign(&text(environment, &answer)), ..answer }
    }
}

pub(crate) fn is_signed(keys: &VerifyingKeys, environment: &Environment, answer: &Answer) -> bool {
    keys.verify(&answer.signature, &text(environment, answer))
}

fn text(environment: &Environment, answer: &Answer) -> SignedText {
    let decision = match answer.decision {
        Decision::Approve => "approve",
        Decision::Reject => "reject",
    };
    let text = SignedText::of("bellwire answer")
        .field(environment.as_str())
        .field(&answer.task.to_string())
        .field(&answer.step)
        .field(&answer.digest)
        .field(decision)
        .field(&answer.by)
        .sorted(&answer.groups)
        .optional(answer.comment.as_deref());
    // As it was before there were forms, where there is none.
    if answer.values.is_empty() { text } else { text.field(&answer.values) }
}

#[cfg(test)]
mod tests {
    use model::TaskId;

    use super::*;

    #[test]
    fn an_answer_of_which_anything_was_changed_is_not_signed() {
        let (prod, key) = ("prod".parse().unwrap(), SigningKey::derived_from(b"a secret"));
        let answer = Answer {
            task: TaskId::new(),
            step: "publish".to_owned(),
            digest: "of what was asked".to_owned(),
            decision: Decision::Reject,
            by: "bob".to_owned(),
            groups: vec!["finance".to_owned()],
            comment: None,
            values: r#"{"amount":7}"#.to_owned(),
            signature: String::new(),
        };
        let is_signed = |answer: &Answer| is_signed(&key.verifying_key().into(), &prod, answer);
        assert!(!is_signed(&answer));
        let signed = key.sign_answer(&prod, answer.clone());
        assert!(is_signed(&signed) && key.sign_answer(&prod, answer.clone()) == signed, "the same answer, the same id");
        let changed = [
            Answer { task: TaskId::new(), ..signed.clone() },
            Answer { step: "other".to_owned(), ..signed.clone() },
            Answer { digest: "of what was not".to_owned(), ..signed.clone() },
            Answer { decision: Decision::Approve, ..signed.clone() },
            Answer { by: "eve".to_owned(), ..signed.clone() },
            Answer { groups: vec![], ..signed.clone() },
            Answer { comment: Some(String::new()), ..signed.clone() },
            Answer { values: r#"{"amount":8}"#.to_owned(), ..signed.clone() },
            Answer { values: String::new(), ..signed.clone() },
            key.sign_answer(&"test".parse().unwrap(), answer.clone()),
            SigningKey::derived_from(b"another").sign_answer(&prod, answer),
        ];
        for answer in changed {
            assert!(!is_signed(&answer), "{answer:?}");
        }
    }
}
