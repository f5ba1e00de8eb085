//! How questions and their answers are folded.

use std::time::Duration;

use model::approval::Decision;
use signing::SigningKey;

use super::*;

fn key() -> SigningKey {
    SigningKey::derived_from(b"a secret")
}

fn no_questions() -> Questions {
    Questions::new(Verifier::of(&"prod".parse().unwrap(), &key()))
}

fn question(task: TaskId, step: &str, round: u32) -> Event {
    let (title, question) = ("Airports".to_owned(), "Publish?".to_owned());
    let question = Question { task, step: step.to_owned(), title, question, owner: "ada".to_owned() };
    question.event("group:finance".parse().unwrap(), None, round)
}

fn answer(task: TaskId, step: &str, by: &str, decision: Decision) -> Event {
    let (by, step, digest) = (by.to_owned(), step.to_owned(), digest(task, step));
    let unsigned = Answer { task, step, digest, decision, by, groups: vec![], comment: None, signature: String::new() };
    key().sign_answer(&"prod".parse().unwrap(), unsigned).event(Audience::user("ada"))
}

fn digest(task: TaskId, step: &str) -> String {
    Question::with_digest(&question(task, step, 0)).unwrap().1
}

fn find(questions: &Questions, task: TaskId) -> AskedQuestion {
    match questions.find(task, "publish", None, "bob", &finance()) {
        Found::One(question) => *question,
        other => panic!("{other:?}"),
    }
}

fn finance() -> Vec<String> {
    vec!["finance".to_owned()]
}

#[test]
fn a_question_is_open_to_those_asked_until_the_first_answer_which_stands() {
    let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
    questions.fold(&question(task, "publish", 0), now, |_| false);
    questions.fold(&question(task, "publish", 1), now + Duration::from_secs(9), |_| false);
    let open = questions.open("bob", &finance(), 9);
    assert_eq!((open.len(), open[0].asked_at), (1, now));
    assert!(questions.open("bob", &[], 9).is_empty());
    let (reply, mut received) = oneshot::channel();
    questions.wait(task, "publish", &digest(task, "publish"), "bob", reply);
    questions.fold(&answer(task, "publish", "bob", Decision::Approve), now, |_| false);
    questions.fold(&answer(task, "publish", "eve", Decision::Reject), now, |_| false);
    assert_eq!(received.try_recv().unwrap().by, "bob");
    assert!(questions.open("bob", &finance(), 9).is_empty());
    assert_eq!(find(&questions, task).answer.unwrap().by, "bob");
    // Asked again by a worker that had not read the answer.
    questions.fold(&question(task, "publish", 2), now, |_| false);
    assert!(questions.open("bob", &finance(), 9).is_empty());
}

#[test]
fn an_answer_that_no_gateway_has_signed_does_not_count_and_keeps_no_true_one_away() {
    let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
    questions.fold(&question(task, "publish", 0), now, |_| false);
    let signed = answer(task, "publish", "bob", Decision::Reject);
    let forge = |name: &str, value: &str| {
        let mut data = signed.data.as_ref().unwrap().to_value().unwrap();
        data["answer"][name] = value.into();
        signed.clone().with_data(data)
    };
    let no_answer = signed.clone().with_data(serde_json::json!({}));
    for forged in [forge("decision", "approve"), forge("by", "eve"), forge("signature", ""), no_answer] {
        assert_eq!(questions.fold(&forged, now, |_| false), Folded::Unsigned, "{forged:?}");
        assert_eq!(questions.open("bob", &finance(), 9).len(), 1);
    }
    assert_eq!(questions.fold(&signed, now, |_| false), Folded::Counts);
    assert_eq!(questions.fold(&answer(task, "publish", "amy", Decision::Approve), now, |_| false), Folded::Late);
    assert_eq!(find(&questions, task).answer.unwrap().by, "bob");
}

#[test]
fn another_question_in_the_name_of_a_step_is_another_with_an_answer_of_its_own() {
    let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
    let asked = Question::of(&question(task, "publish", 0)).unwrap();
    let pizza = Question { question: "Pizza?".to_owned(), ..asked.clone() };
    let (finance_asked, bob_asked) = ("group:finance".parse().unwrap(), Audience::user("bob"));
    let forged = [pizza.event(finance_asked, None, 0), asked.event(bob_asked, None, 0)];
    for event in forged.iter().chain([&question(task, "publish", 0)]) {
        assert_eq!(questions.fold(event, now, |_| false), Folded::Counts);
    }
    let misleading = pizza.event("group:finance".parse().unwrap(), None, 1);
    let mut data = misleading.data.as_ref().unwrap().to_value().unwrap();
    data["digest"] = digest(task, "publish").into();
    let misleading = misleading.with_data(data);
    assert_eq!(questions.fold(&misleading, now, |_| false), Folded::Untrue);
    assert_eq!(questions.open("bob", &finance(), 9).len(), 3);
    assert!(matches!(questions.find(task, "publish", None, "bob", &finance()), Found::Several));
    assert!(matches!(questions.find(task, "publish", None, "eve", &[]), Found::NotAsked));
    assert!(matches!(questions.find(task, "publish", Some("x"), "bob", &finance()), Found::Nothing));
    questions.fold(&answer(task, "publish", "bob", Decision::Approve), now, |_| false);
    let open = questions.open("bob", &finance(), 9);
    assert!(open.len() == 2 && open.iter().all(|open| open.digest != digest(task, "publish")), "{open:?}");
    let Found::One(mine) = questions.find(task, "publish", Some(&digest(task, "publish")), "bob", &finance()) else {
        panic!("it is answered");
    };
    assert_eq!(mine.answer.unwrap().by, "bob");
}

#[test]
fn nothing_is_kept_of_a_run_that_has_ended_or_is_too_old() {
    let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
    questions.fold(&question(task, "one", 0), now, |_| false);
    questions.fold(&question(task, "two", 0), now + Duration::from_secs(2), |_| false);
    let (reply, mut received) = oneshot::channel();
    questions.wait(task, "one", &digest(task, "one"), "bob", reply);
    questions.evict(now + Duration::from_secs(1));
    assert_eq!((questions.updates.len(), questions.open("bob", &finance(), 9).len()), (1, 1));
    assert!(received.try_recv().is_err());
    questions.end(task);
    questions.fold(&question(task, "two", 1), now, |ended| ended == task);
    assert_eq!((questions.updates.len(), questions.runs.len()), (0, 0));
}

#[test]
fn however_many_are_asked_a_bounded_number_is_kept_and_the_newest_are() {
    let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
    for n in 0..12_000 {
        questions.fold(&question(task, &format!("s{n}"), 0), now + Duration::from_millis(n), |_| false);
    }
    assert_eq!(questions.updates.len(), MAX_QUESTIONS);
    assert_eq!(questions.updates.len(), questions.runs.values().map(BTreeMap::len).sum::<usize>());
    assert_eq!(questions.open("bob", &finance(), 1)[0].question.step, "s11999");
    let mut questions = no_questions();
    for n in 0..12_000 {
        questions.fold(&question(task, &format!("s{n}"), 0), now, |_| false);
    }
    assert_eq!(questions.updates.len(), MAX_QUESTIONS, "of one moment");
    questions.end(task);
    assert!(questions.open.is_empty() && questions.ages.is_empty() && questions.updates.is_empty());
    assert_eq!(questions.shares.largest(), None);
}

#[test]
fn whoever_asks_without_end_pushes_out_nobody_elses_question() {
    let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
    let mut bobs = Question::of(&question(TaskId::new(), "publish", 0)).unwrap();
    bobs.owner = "bob".to_owned();
    questions.fold(&bobs.clone().event("group:finance".parse().unwrap(), None, 0), now, |_| false);
    for n in 0..MAX_QUESTIONS + 10 {
        questions.fold(&question(task, &format!("s{n}"), 0), now + Duration::from_secs(1), |_| false);
    }
    assert_eq!(find(&questions, bobs.task).question, bobs, "the oldest of all");
}

#[test]
fn a_question_to_several_groups_of_a_user_is_listed_once_in_order_of_time() {
    let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
    let audiences = ["group:finance user:bob", "group:ops", "environment group:ops", "user:eve"];
    for (n, audience) in (0..).zip(audiences) {
        let asked = Question::of(&question(task, &format!("s{n}"), 0)).unwrap();
        let event = asked.event(audience.parse().unwrap(), None, 0);
        questions.fold(&event, now + Duration::from_secs(n), |_| false);
    }
    let groups = ["finance".to_owned(), "ops".to_owned()];
    let steps = |max| questions.open("bob", &groups, max).into_iter().map(|one| one.question.step).collect::<Vec<_>>();
    assert_eq!((steps(9), steps(2)), (vec!["s2".into(), "s1".into(), "s0".into()], vec!["s2".into(), "s1".into()]));
}

#[test]
fn one_user_who_asks_again_and_again_does_not_keep_another_from_waiting() {
    let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
    questions.fold(&question(task, "publish", 0), now, |_| false);
    let mut waiting = Vec::new();
    for _ in 0..100 {
        let (reply, received) = oneshot::channel();
        questions.wait(task, "publish", &digest(task, "publish"), "eve", reply);
        waiting.push(received);
    }
    let (reply, mut bobs) = oneshot::channel();
    questions.wait(task, "publish", &digest(task, "publish"), "bob", reply);
    questions.fold(&answer(task, "publish", "bob", Decision::Approve), now, |_| false);
    assert_eq!(bobs.try_recv().unwrap().by, "bob");
    assert_eq!(waiting.iter_mut().filter_map(|one| one.try_recv().ok()).count(), MAX_WAITERS_PER_USER);
}
