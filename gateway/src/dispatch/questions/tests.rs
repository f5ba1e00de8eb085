//! How questions and their answers are folded.

use std::time::Duration;

use model::{
    Audience,
    approval::{Decision, Details, Telling},
};
use signing::SigningKey;

use super::{super::asked_question::MAX_WAITERS_PER_USER, *};

fn key() -> SigningKey {
    SigningKey::derived_from(b"a secret")
}

fn no_questions() -> Questions {
    Questions::new(Verifier::of(&"prod".parse().unwrap(), &key()))
}

fn question(task: TaskId, step: &str, round: u32) -> Event {
    let (title, question) = ("Airports".to_owned(), "Publish?".to_owned());
    let (step, owner, details) = (step.to_owned(), "ada".to_owned(), Details::default());
    let question = Question { task, step, title, question, owner, details };
    question.event("group:finance".parse().unwrap(), Telling { round, ..Telling::default() })
}

fn answer(task: TaskId, step: &str, by: &str, decision: Decision) -> Event {
    let (by, step, digest) = (by.to_owned(), step.to_owned(), digest(task, step));
    signed(Answer { task, step, digest, decision, by, ..unsigned() })
}

fn unsigned() -> Answer {
    Answer {
        task: TaskId::new(),
        step: String::new(),
        digest: String::new(),
        decision: Decision::Approve,
        by: String::new(),
        groups: vec!["finance".to_owned()],
        comment: None,
        values: String::new(),
        signature: String::new(),
    }
}

fn signed(answer: Answer) -> Event {
    key().sign_answer(&"prod".parse().unwrap(), answer).event(Audience::user("ada"))
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
    assert_eq!(find(&questions, task).decided.unwrap().by, "bob");
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
    assert_eq!(find(&questions, task).decided.unwrap().by, "bob");
}

#[test]
fn another_question_in_the_name_of_a_step_is_another_with_an_answer_of_its_own() {
    let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
    let asked = Question::of(&question(task, "publish", 0)).unwrap();
    let pizza = Question { question: "Pizza?".to_owned(), ..asked.clone() };
    let (finance_asked, bob_asked) = ("group:finance".parse().unwrap(), Audience::user("bob"));
    let forged = [pizza.event(finance_asked, Telling::default()), asked.event(bob_asked, Telling::default())];
    for event in forged.iter().chain([&question(task, "publish", 0)]) {
        assert_eq!(questions.fold(event, now, |_| false), Folded::Counts);
    }
    let misleading = pizza.event("group:finance".parse().unwrap(), Telling::default());
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
    assert_eq!(mine.decided.unwrap().by, "bob");
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
    questions.fold(&bobs.clone().event("group:finance".parse().unwrap(), Telling::default()), now, |_| false);
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
        let event = asked.event(audience.parse().unwrap(), Telling::default());
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

/// A question of this step that needs two of the group finance, and what is told of it.
fn of_two(task: TaskId, telling: Telling) -> Event {
    let (title, question, owner) = ("Airports".to_owned(), "Publish?".to_owned(), "ada".to_owned());
    let details = Details { needed: 2, others_only: true, files: vec!["01JD/a.csv".to_owned()], ..Details::default() };
    let question = Question { task, step: "publish".to_owned(), title, question, owner, details };
    question.event("group:finance".parse().unwrap(), telling)
}

fn answer_of_two(task: TaskId, by: &str, decision: Decision) -> Event {
    let digest = Question::with_digest(&of_two(task, Telling::default())).unwrap().1;
    signed(Answer { task, step: "publish".to_owned(), digest, by: by.to_owned(), decision, ..unsigned() })
}

#[test]
fn a_question_to_several_is_open_to_those_who_have_not_answered_until_enough_have() {
    let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
    questions.fold(&of_two(task, Telling::default()), now, |_| false);
    assert!(questions.open("ada", &finance(), 9).is_empty(), "whoever started the run may not answer");
    let ada = questions.fold(&answer_of_two(task, "ada", Decision::Approve), now, |_| false);
    assert_eq!(ada, Folded::Late);
    let digest = questions.open("bob", &finance(), 9)[0].digest.clone();
    let (reply, mut amys) = oneshot::channel();
    questions.wait(task, "publish", &digest, "amy", reply);
    questions.fold(&answer_of_two(task, "bob", Decision::Approve), now, |_| false);
    assert_eq!(questions.fold(&answer_of_two(task, "bob", Decision::Reject), now, |_| false), Folded::Late);
    assert!(questions.open("bob", &finance(), 9).is_empty());
    assert_eq!(questions.open("amy", &finance(), 9)[0].approved_by, ["bob"]);
    assert!(amys.try_recv().is_err(), "another's approval decides nothing");
    questions.fold(&answer_of_two(task, "amy", Decision::Approve), now, |_| false);
    assert_eq!(amys.try_recv().unwrap().by, "amy");
    assert!(questions.open("cem", &finance(), 9).is_empty());
    assert_eq!(find(&questions, task).decided.unwrap().by, "amy");
}

#[test]
fn a_pod_that_has_not_read_the_first_answers_is_told_of_them_when_it_is_asked_again() {
    let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
    let telling = Telling { round: 1, approved_by: vec!["bob".to_owned()], ..Telling::default() };
    questions.fold(&of_two(task, telling), now, |_| false);
    assert!(questions.open("bob", &finance(), 9).is_empty());
    questions.fold(&answer_of_two(task, "amy", Decision::Approve), now, |_| false);
    assert_eq!(find(&questions, task).decided.unwrap().by, "amy");
}

#[test]
fn what_a_question_is_about_is_readable_to_those_asked_while_it_is_open_and_to_nobody_else() {
    let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
    let owner = |questions: &Questions, step: &str, file: &str, user: &str, groups: &[String]| {
        questions.owner_of_file(task, step, file, user, groups)
    };
    assert_eq!(owner(&questions, "publish", "01JD/a.csv", "bob", &finance()), None);
    questions.fold(&of_two(task, Telling::default()), now, |_| false);
    assert_eq!(owner(&questions, "publish", "01JD/a.csv", "bob", &finance()).as_deref(), Some("ada"));
    for (step, file, user, groups) in [
        ("publish", "01JD/b.csv", "bob", finance()),
        ("other", "01JD/a.csv", "bob", finance()),
        ("publish", "01JD/a.csv", "eve", vec!["staff".to_owned()]),
    ] {
        assert_eq!(owner(&questions, step, file, user, &groups), None, "{step} {file} {user}");
    }
    questions.fold(&answer_of_two(task, "bob", Decision::Approve), now, |_| false);
    assert!(owner(&questions, "publish", "01JD/a.csv", "bob", &finance()).is_some(), "another has yet to answer");
    questions.fold(&answer_of_two(task, "amy", Decision::Approve), now, |_| false);
    assert_eq!(owner(&questions, "publish", "01JD/a.csv", "bob", &finance()), None);
}

#[test]
fn a_question_that_its_run_closes_takes_no_more_answers_and_who_waits_is_told() {
    let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
    questions.fold(&of_two(task, Telling::default()), now, |_| false);
    let digest = questions.open("bob", &finance(), 9)[0].digest.clone();
    let (reply, mut waiting) = oneshot::channel();
    questions.wait(task, "publish", &digest, "bob", reply);
    let (step, reason) = ("publish".to_owned(), "expired".to_owned());
    let closed = Closed { task, step, digest, reason }.event(Audience::user("bob"));
    questions.fold(&closed, now, |_| false);
    assert_eq!(waiting.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    assert!(questions.open("bob", &finance(), 9).is_empty());
    assert_eq!(questions.fold(&answer_of_two(task, "bob", Decision::Approve), now, |_| false), Folded::Late);
    assert_eq!(find(&questions, task).closed.as_deref(), Some("expired"));
    // Asked anew, of more people, it is another question: whoever answers says which.
    let anew = question(task, "publish", 1);
    questions.fold(&anew, now, |_| false);
    assert!(matches!(questions.find(task, "publish", None, "bob", &finance()), Found::Several));
    assert_eq!(questions.open("bob", &finance(), 9)[0].digest, Question::with_digest(&anew).unwrap().1);
}
