//! Questions: who may answer, how often they are told, and what their answers decide.

use model::{
    Event, StepState, TaskId,
    approval::{Again, Answer, Closed, Decision, Details, Question},
    catalogue::{Field, FieldType},
    task::DECLINED,
};
use serde_json::{Value, json};

use super::{TestRun, asked, start};
use crate::{
    definition::expression::Scope,
    run::{
        event::RunEvent,
        messages::{self, Told},
        question,
        state::{Item, ItemIndex, ItemState, Run, StepRun},
        transition::{Action, Closing, Resolved, Telling},
    },
};

const ASKING: &str = "[[step]]\nid = 'ask'\nkind = 'approval'\nask = 'user:bob'\n";
const INDEX: ItemIndex = ItemIndex { step: 0, item: 0 };
const HOUR: i64 = 3_600_000;

/// A run that asks at its only step, of these fields besides.
fn asking(fields: &str) -> TestRun {
    let mut run = start(&format!("{ASKING}{fields}"));
    run.resolved.insert("ask", Ok(Resolved::Ask(json!({ "audience": "user:bob", "question": "Well?" }))));
    assert_eq!(run.then(vec![]), [Action::Ask(INDEX, Telling::First)]);
    assert_eq!(run.states(), [StepState::Asked]);
    run
}

fn answer_to(digest: &str, by: &str, decision: Decision, values: &str) -> RunEvent {
    RunEvent::Answered(Answer {
        task: TaskId::new(),
        step: "ask".to_owned(),
        digest: digest.to_owned(),
        decision,
        by: by.to_owned(),
        groups: vec!["reviewers".to_owned()],
        comment: None,
        values: values.to_owned(),
        signature: String::new(),
    })
}

fn answer(by: &str, decision: Decision) -> RunEvent {
    answer_to("of it", by, decision, "")
}

fn note(run: &TestRun) -> &str {
    run.run.steps[0].note.as_deref().unwrap_or_default()
}

#[test]
fn a_question_is_asked_again_and_the_first_answer_of_somebody_asked_decides() {
    let mut run = asking("");
    run.now += 12 * HOUR;
    assert_eq!(run.then(vec![]), [Action::Ask(INDEX, Telling::Repetition)]);
    assert_eq!(run.run.steps[0].items[0].round, 1);
    let outsider = RunEvent::Answered(match answer("eve", Decision::Approve) {
        RunEvent::Answered(answer) => Answer { groups: vec![], ..answer },
        _ => unreachable!(),
    });
    run.then(vec![outsider, answer_to("of another", "bob", Decision::Approve, "")]);
    assert_eq!(run.states(), [StepState::Asked]);
    let actions = run.then(vec![answer("bob", Decision::Reject), answer("bob", Decision::Approve)]);
    assert!(actions.is_empty(), "whoever reads the log knows that it is decided: {actions:?}");
    assert_eq!(run.run.failure.as_ref().unwrap().message, "ask: rejected by bob");
    let mut run = asking("");
    run.now += 31 * 24 * HOUR;
    assert_eq!(run.then(vec![]), [Action::Close(INDEX, Closing::Expired)]);
    assert_eq!(run.run.failure.as_ref().unwrap().message, "ask: nobody answered within 30 days");
}

#[test]
fn a_rejection_is_told_as_one_and_not_as_a_fault() {
    let mut run = asking("title = 'The audit'\n");
    run.then(vec![answer("bob", Decision::Reject)]);
    let event = messages::state_event(&run.run, Told::default());
    let task = event.task().unwrap().unwrap();
    assert_eq!(task.error.unwrap().reason, DECLINED);
    assert!(task.steps[0].rejected && task.steps[0].state == StepState::Failed);
    let toast = event.toast().unwrap().unwrap();
    assert_eq!((toast.level, toast.title.as_str()), (model::toast::Level::Warning, "T was rejected"));
    assert_eq!(toast.body.as_deref(), Some("The audit: rejected by bob"));
}

#[test]
fn as_many_people_must_approve_as_the_step_says_each_counts_once_and_one_rejection_is_enough() {
    let mut run = asking("approvals = 2\n");
    run.then(vec![answer("bob", Decision::Approve), answer("bob", Decision::Approve)]);
    assert_eq!((run.states(), note(&run)), (vec![StepState::Asked], "1 of 2 have approved: bob"));
    let actions = run.then(vec![answer("amy", Decision::Approve)]);
    assert_eq!(actions, [Action::Close(INDEX, Closing::Decided)]);
    assert_eq!((run.states(), note(&run)), (vec![StepState::Succeeded], "approved by bob, amy"));
    let output = run.run.steps[0].items[0].output.clone().unwrap();
    assert_eq!((&output["by"], output["answers"].as_array().unwrap().len()), (&json!("amy"), 2));
    let mut run = asking("approvals = 2\n");
    run.then(vec![answer("bob", Decision::Approve), answer("amy", Decision::Reject)]);
    assert_eq!(run.run.failure.as_ref().unwrap().message, "ask: rejected by amy");
    let mut run = asking("approvals = 2\ntimeout = '2h'\n");
    run.then(vec![answer("bob", Decision::Approve)]);
    run.now += 2 * HOUR;
    run.then(vec![]);
    assert_eq!(run.run.failure.as_ref().unwrap().message, "ask: 1 of 2 approvals came within 2 h");
}

#[test]
fn whoever_started_a_run_answers_its_question_only_where_the_step_lets_them() {
    let mut run = asking("");
    run.asked = vec![asked("of it", Details { others_only: true, ..Details::default() })];
    run.then(vec![answer("ada", Decision::Approve)]);
    assert_eq!(run.states(), [StepState::Asked]);
    run.then(vec![answer("bob", Decision::Approve)]);
    assert_eq!(run.states(), [StepState::Succeeded]);
    let mut run = asking("self_approval = true\n");
    run.then(vec![answer("ada", Decision::Approve)]);
    assert_eq!(run.states(), [StepState::Succeeded]);
}

#[test]
fn the_values_of_the_form_are_in_the_output_and_wrong_ones_do_not_count() {
    let field = Field {
        path: "amount".to_owned(),
        title: "Amount".to_owned(),
        field_type: FieldType::Integer,
        default: None,
        required: true,
        choices: Vec::new(),
        hint: String::new(),
    };
    let mut run = asking("");
    run.asked = vec![asked("of it", Details { fields: vec![field], ..Details::default() })];
    for wrong in ["", "{}", r#"{"amount":"7"}"#, r#"{"amount":7,"more":1}"#, "no JSON"] {
        run.then(vec![answer_to("of it", "bob", Decision::Approve, wrong)]);
        assert_eq!(run.states(), [StepState::Asked], "{wrong}");
    }
    run.then(vec![answer_to("of it", "bob", Decision::Approve, r#"{"amount":7}"#)]);
    assert_eq!(run.run.steps[0].items[0].output.clone().unwrap()["answer"], json!({ "amount": 7 }));
}

#[test]
fn people_are_reminded_until_somebody_decides_and_after_a_while_others_are_asked_too() {
    let mut run = asking("remind = '4h'\nescalate = { after = '6h', ask = 'user:amy' }\n");
    run.asked.push(asked("of more", Details::default()));
    for (after, telling) in [(4, Telling::Reminder), (2, Telling::Escalation), (2, Telling::Reminder)] {
        run.now += after * HOUR - 1;
        assert!(run.then(vec![]).is_empty());
        run.now += 1;
        let actions = run.then(vec![]);
        assert_eq!(actions.last(), Some(&Action::Ask(INDEX, telling)));
        assert_eq!(actions.contains(&Action::Close(INDEX, Closing::Escalated)), telling == Telling::Escalation);
    }
    // Of a week in which no engine ran, one reminder is left.
    run.now += 7 * 24 * HOUR;
    assert_eq!(run.then(vec![]), [Action::Ask(INDEX, Telling::Reminder)]);
    // An answer to the first wording counts too: it was given before the second was read.
    run.then(vec![answer("bob", Decision::Approve)]);
    assert_eq!(run.states(), [StepState::Succeeded]);
    assert_eq!(run.run.due(), None);
    let mut run = asking("remind = '3h'\nescalate = { after = '6h', ask = 'user:amy' }\n");
    run.now += 3 * HOUR;
    assert_eq!(run.then(vec![]), [Action::Ask(INDEX, Telling::Reminder)]);
    run.now += 3 * HOUR;
    let both = [Action::Close(INDEX, Closing::Escalated), Action::Ask(INDEX, Telling::Escalation)];
    assert_eq!(run.then(vec![]), both, "one toast, though a reminder was due too");
}

#[test]
fn what_a_run_asks_when_it_stops_is_withdrawn() {
    let mut run =
        start("[[step]]\nid = 'ask'\nkind = 'approval'\nask = 'user:bob'\n[[step]]\nid = 'it'\nkind = 'work'\n");
    run.resolved.insert("ask", Ok(Resolved::Ask(json!({}))));
    run.then(vec![]);
    assert_eq!(run.then(vec![run.failed("it", 0)]), [Action::Close(INDEX, Closing::Withdrawn)]);
}

/// The question of a run as it is resolved, with these fields of the step and this input.
fn resolved(fields: &str, input: Value) -> Result<Value, String> {
    let toml =
        "[[input]]\nname = 'file'\ntitle = 'The file'\ntype = 'file'\n[[input]]\nname = 'least'\ntype = 'integer'\n";
    let mut run = start(&format!("{toml}{ASKING}{fields}"));
    run.run.input = input.as_object().unwrap().clone();
    let scope = Scope::default().with("input", &run.run.input).with("run", json!({ "owner": "ada" }));
    let step = run.run.definition.steps[0].clone();
    question::resolve(&run.run, &step, &scope)
}

#[test]
fn a_question_shows_the_inputs_and_names_the_files_that_the_definition_says() {
    let fields = "show = ['file', 'least']\nfiles = ['{{ input.file }}', '{{ input.reports }}']\n";
    let links = json!(["/api/files/01JD/b%20c.xlsx", null, ["01JD/d.csv", "01JD/a.csv"]]);
    let found = resolved(fields, json!({ "file": "01JD/a.csv", "least": null, "reports": links })).unwrap();
    let shown = json!([{ "title": "The file", "value": "a.csv" }, { "title": "least", "value": "(no value)" }]);
    assert_eq!(found["details"]["shown"], shown);
    assert_eq!(found["details"]["files"], json!(["01JD/a.csv", "01JD/b c.xlsx", "01JD/d.csv"]));
    for none in [json!("https://example.com/x"), json!("/api/files/../x"), json!(7), json!({})] {
        let error = resolved(fields, json!({ "file": none, "least": 1, "reports": [] })).unwrap_err();
        assert!(error.starts_with("files: {{ input.file }} gives"), "{error}");
    }
}

#[test]
fn a_question_that_not_enough_people_may_answer_is_not_asked() {
    for (fields, words, was_right) in [
        ("", "it asks nobody but whoever started the run", true),
        ("approvals = 2\nself_approval = true\n", "2 approvals are needed, and only 1 of those who are asked", false),
        ("escalate = { after = '1h', ask = 'user:amy' }\napprovals = 2\n", "only 1 of those who are asked", true),
    ] {
        let mut run =
            start(&format!("[[step]]\nid = 'ask'\nkind = 'approval'\nask = 'user:{{{{ run.owner }}}}'\n{fields}"));
        run.run.title = "T".to_owned();
        let scope = Scope::default().with("run", json!({ "owner": "ada" }));
        let step = run.run.definition.steps[0].clone();
        let error = question::resolve(&run.run, &step, &scope).unwrap_err();
        assert!(error.contains(words), "{fields}: {error}");
        // A run of before may be answered by its owner, as it was promised.
        run.run.rules = 0;
        assert_eq!(question::resolve(&run.run, &step, &scope).is_ok(), was_right);
    }
}

#[test]
fn each_wording_of_a_question_has_its_digest_and_an_end_names_the_one_that_was_open() {
    let resolved = json!({
        "audience": "user:bob", "escalated": "user:bob user:amy", "question": "Well?",
        "details": { "needed": 2, "others_only": true },
    });
    let mut run = asking("remind = '4h'\napprovals = 2\n").run;
    let of = |run: &Run, telling| question::event(run, INDEX, &resolved, telling).unwrap();
    let digest = |event: &Event| Question::with_digest(event).unwrap().1;
    let first = of(&run, Telling::First);
    let asked = Question::of(&first).unwrap();
    assert!(asked.details.others_only && asked.details.needed() == 2);
    let deadline = run.steps[0].items[0].deadline.unwrap();
    assert_eq!(asked.details.until.unwrap().as_millisecond(), deadline);
    assert_eq!(digest(&of(&run, Telling::Reminder)), digest(&first), "a reminder is the same question");
    let again: Again = of(&run, Telling::Reminder).data.unwrap().member("again").unwrap().unwrap();
    assert_eq!(again, Again::Reminder);
    assert!(of(&run, Telling::Repetition).toast().unwrap().is_none());
    let item = &mut run.steps[0].items[0];
    item.asking.as_mut().unwrap().escalated = true;
    let second = of(&run, Telling::Escalation);
    assert_eq!(second.audience.to_string(), "user:bob user:amy");
    let wordings: Vec<_> = question::wordings(&run, INDEX, &resolved).into_iter().map(|asked| asked.digest).collect();
    assert_eq!(wordings, [digest(&first), digest(&second)]);
    run.steps[0].items[0].enter(ItemState::Succeeded, None);
    let closed =
        |closing| Closed::of(&question::closed_event(&run, INDEX, &resolved, closing).unwrap()).unwrap().digest;
    assert_eq!([closed(Closing::Escalated), closed(Closing::Decided)], [digest(&first), digest(&second)]);
}

#[test]
fn a_question_has_a_title_that_reads_as_it_is_written() {
    let mut test = asking("");
    test.run.title = "Pay 1\u{202e}000 to mallory\u{2066}".to_owned();
    let resolved = json!({ "audience": "user:bob", "question": "Well?" });
    let event = question::event(&test.run, INDEX, &resolved, Telling::First).unwrap();
    assert_eq!(event.toast().unwrap().unwrap().title, "ada asks for approval: Pay 1000 to mallory");
    assert_eq!(Question::of(&event).unwrap().title, "Pay 1000 to mallory");
}

#[test]
fn what_the_version_before_has_stored_is_read() {
    let item: Item = serde_json::from_value(json!({
        "state": "asked", "attempt": 0, "due": 43_200_000, "deadline": 2_592_000_000_i64, "progress": 0.0, "round": 0,
        "undone_again": 0, "note": null, "href": null, "fetched": false,
    }))
    .unwrap();
    let step: StepRun = serde_json::from_value(json!({ "state": "asked", "note": null, "order": 0 })).unwrap();
    let mut test = start(ASKING);
    let mut body = serde_json::to_value(&test.run).unwrap();
    body.as_object_mut().unwrap().remove("rules");
    let read: Run = serde_json::from_value(body).unwrap();
    let (definition, steps) = (test.run.definition.clone(), vec![StepRun { items: vec![item], ..step }]);
    test.run = Run { definition, steps, ..read };
    assert_eq!(test.run.rules, 0);
    let stored = json!({ "audience": "user:bob", "question": "Well?" });
    let wordings = question::wordings(&test.run, INDEX, &stored);
    let title = "T".to_owned();
    let before = Question {
        task: test.run.id,
        step: "ask".to_owned(),
        title,
        question: "Well?".to_owned(),
        owner: "ada".to_owned(),
        details: Details::default(),
    };
    assert_eq!(wordings[0].digest, before.digest(&"user:bob".parse().unwrap()), "answers on their way still count");
    test.now = 43_200_000;
    assert_eq!(test.then(vec![]), [Action::Ask(INDEX, Telling::Repetition)]);
    test.then(vec![answer("bob", Decision::Approve)]);
    assert_eq!(test.states(), [StepState::Succeeded]);
}
