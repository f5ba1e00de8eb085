//! What is wrong with one definition, and where.

use std::collections::BTreeSet;

use model::Term;
use runtime::definitions::Segment;

use crate::{
    definition::{Compensation, Definition, Doing, Lasting, StepDefinition},
    expression, form, order,
    references::Reachable,
};

/// Most steps of one workflow.
pub(crate) const MOST_STEPS: usize = 100;
const LONGEST_TITLE: usize = 180;
const MOST_ATTEMPTS: u32 = 20;
const LONGEST_TIME: u64 = 366 * 24 * 3600;

/// Something wrong, and the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) way: Vec<Segment>,
    pub(crate) why: String,
}

/// What steps may name as their kind.
pub(crate) struct Known<'a> {
    pub(crate) kinds: &'a BTreeSet<String>,
    pub(crate) workflows: &'a BTreeSet<String>,
}

/// All that is wrong with a definition by itself.
pub(crate) fn check(definition: &Definition, known: &Known<'_>) -> Vec<Wrong> {
    let mut check = Check { definition, known, wrong: Vec::new() };
    check.head();
    check.inputs();
    let sound = check.ids() && check.needs();
    for at in 0..definition.steps.len() {
        check.step(at, sound);
    }
    if sound {
        let before = definition.steps.iter().map(|step| step.id.as_str()).collect();
        let reachable = Reachable { definition, before, item: false };
        check.wrong.extend(reachable.wrong_in(&["output".into()], &definition.output));
    }
    check.wrong
}

struct Check<'a> {
    definition: &'a Definition,
    known: &'a Known<'a>,
    wrong: Vec<Wrong>,
}

impl<'a> Check<'a> {
    fn say(&mut self, way: &[Segment], why: impl Into<String>) {
        self.wrong.push(Wrong { way: way.to_vec(), why: why.into() });
    }

    fn head(&mut self) {
        let definition = self.definition;
        let length = definition.title.chars().count();
        if definition.title.trim().is_empty() || length > LONGEST_TITLE {
            self.say(&["title".into()], format!("title: it has 1 to {LONGEST_TITLE} characters"));
        }
        if !definition.name.is_empty() {
            self.say(&["name".into()], "name: a workflow's name is that of its file");
        }
        for (at, each) in definition.allow.iter().enumerate() {
            if !matches!(each.parse(), Ok(Term::User(_) | Term::Group(_))) {
                self.say(
                    &["allow".into(), at.into()],
                    format!("allow: {each:?} is neither user:<id> nor group:<name>"),
                );
            }
        }
        match definition.steps.len() {
            0 => self.say(&[], "it has no [[step]]"),
            has if has > MOST_STEPS => {
                self.say(&["step".into()], format!("it has {has} steps; {MOST_STEPS} are allowed"));
            }
            _ => {}
        }
    }

    fn inputs(&mut self) {
        let mut names = BTreeSet::new();
        for (at, field) in self.definition.inputs.iter().enumerate() {
            let way = |name: &str| vec!["input".into(), at.into(), name.into()];
            if let Some(why) = no_id(&field.name) {
                self.say(&way("name"), format!("input {:?}: {why}", field.name));
            }
            if !names.insert(&field.name) {
                self.say(&way("name"), format!("input {:?}: there are two of this name", field.name));
            }
            for choice in &field.choices {
                if let Err(why) = form::check_type(field, choice) {
                    self.say(&way("choices"), format!("input {:?}: choices: {choice}: {why}", field.name));
                }
            }
            if let Some(Err(why)) = field.default.as_ref().map(|default| form::check_value(field, default)) {
                self.say(&way("default"), format!("input {:?}: default: {why}", field.name));
            }
        }
    }

    fn ids(&mut self) -> bool {
        let (mut seen, before) = (BTreeSet::new(), self.wrong.len());
        for (at, step) in self.definition.steps.iter().enumerate() {
            let way = ["step".into(), at.into(), "id".into()];
            if let Some(why) = no_id(&step.id) {
                self.say(&way, format!("step {:?}: {why}", step.id));
            }
            if !seen.insert(&step.id) {
                self.say(&way, format!("step {:?}: there are two of this id", step.id));
            }
        }
        self.wrong.len() == before
    }

    fn needs(&mut self) -> bool {
        let before = self.wrong.len();
        for (at, step) in self.definition.steps.iter().enumerate() {
            for (nth, need) in step.needs.iter().enumerate() {
                let way = ["step".into(), at.into(), "needs".into(), nth.into()];
                if self.definition.position(need).is_none() {
                    self.say(&way, format!("step {:?}: needs: there is no step {need:?}", step.id));
                } else if step.needs[..nth].contains(need) {
                    self.say(&way, format!("step {:?}: needs: {need:?} stands there twice", step.id));
                }
            }
        }
        if self.wrong.len() > before {
            return false;
        }
        if let Some(cycle) = order::cycle(self.definition) {
            let at = self.definition.position(&cycle[0]).unwrap_or_default();
            let way = ["step".into(), at.into(), "needs".into()];
            self.say(&way, format!("needs: these steps wait for each other: {}", cycle.join(" → ")));
        }
        self.wrong.len() == before
    }

    /// One step; what it refers to can be told only where ids and needs are sound.
    fn step(&mut self, at: usize, sound: bool) {
        let step = &self.definition.steps[at];
        let way = |name: &str| vec![Segment::from("step"), at.into(), name.into()];
        if let Some(why) = self.unknown_kind(&step.kind) {
            self.say(&way("kind"), format!("step {:?}: kind: {why}", step.id));
        }
        for (name, why) in misplaced(step) {
            self.say(&way(name), format!("step {:?}: {name}: {why}", step.id));
        }
        if let Some(retry) = &step.retry
            && !(1..=MOST_ATTEMPTS).contains(&retry.attempts)
        {
            self.say(&way("retry"), format!("step {:?}: retry.attempts: it is 1 to {MOST_ATTEMPTS}", step.id));
        }
        let delay = step.retry.as_ref().map(|retry| retry.delay);
        for (name, lasting) in [("timeout", step.timeout), ("for", step.lasts), ("retry", delay)] {
            if let Some(Lasting(time)) = lasting
                && (time.as_secs() > LONGEST_TIME || (time.is_zero() && name != "retry"))
            {
                self.say(&way(name), format!("step {:?}: {name}: it is more than nothing and at most a year", step.id));
            }
        }
        if let Some(Compensation { kind, .. }) = &step.compensate
            && !self.known.kinds.contains(kind)
        {
            let why = format!("step {:?}: compensate.kind: {kind:?} is no function of workflows.kinds", step.id);
            self.say(&way("compensate"), why);
        }
        if sound {
            self.step_references(at, step);
        }
    }

    fn unknown_kind(&self, kind: &str) -> Option<String> {
        let Known { kinds, workflows } = self.known;
        if matches!(kind, "approval" | "wait") || kinds.contains(kind) || workflows.contains(kind) {
            return None;
        }
        if kind == "workflows" {
            return Some("name the other workflow itself".to_owned());
        }
        let known: Vec<_> =
            ["approval", "wait"].into_iter().chain(kinds.iter().chain(*workflows).map(String::as_str)).collect();
        Some(format!("there is no {kind:?}; there are {} (workflows.kinds tells which functions)", known.join(", ")))
    }

    fn step_references(&mut self, at: usize, step: &StepDefinition) {
        let definition = self.definition;
        let way = |name: &str| vec![Segment::from("step"), at.into(), name.into()];
        let many = step.for_each.is_some();
        let mut reachable = Reachable { definition, before: order::before(definition, at), item: false };
        let plain = [("ask", &step.ask), ("question", &step.question), ("until", &step.until)];
        let plain = plain.map(|(name, text)| (name, text.as_deref().map(expression::references_in_text), false));
        let bare = [("when", &step.when, many), ("for_each", &step.for_each, false)];
        let bare = bare.map(|(name, text, item)| (name, text.as_deref().map(expression::references), item));
        for (name, found, item) in plain.into_iter().chain(bare) {
            reachable.item = item;
            let wrong = found.map(|found| reachable.wrong(&way(name), &format!("step {:?}: {name}", step.id), found));
            self.wrong.extend(wrong.into_iter().flatten());
        }
        reachable.item = many;
        self.wrong.extend(reachable.wrong_in(&way("input"), &step.input));
        if let Some(compensate) = &step.compensate {
            reachable.before.insert(&step.id);
            let way: Vec<_> = way("compensate").into_iter().chain(["input".into()]).collect();
            self.wrong.extend(reachable.wrong_in(&way, &compensate.input));
        }
    }
}

/// Which fields of a step are missing or do not belong to its kind.
fn misplaced(step: &StepDefinition) -> Vec<(&'static str, &'static str)> {
    let (approval, wait) = (step.doing() == Doing::Approval, step.doing() == Doing::Wait);
    let mut wrong = Vec::new();
    let mut only = |name, there: bool, belongs: bool, why| {
        if there && !belongs {
            wrong.push((name, why));
        }
    };
    let job = !approval && !wait;
    only("ask", step.ask.is_some(), approval, "only an approval asks");
    only("question", step.question.is_some(), approval, "only an approval asks");
    only("for", step.lasts.is_some(), wait, "only a wait has it");
    only("until", step.until.is_some(), wait, "only a wait has it");
    only("input", !step.input.is_empty(), job, "only a function or another workflow has it");
    only("retry", step.retry.is_some(), job, "only a function or another workflow has it");
    only("for_each", step.for_each.is_some(), job, "only a function or another workflow has it");
    only("compensate", step.compensate.is_some(), job, "only a function or another workflow has it");
    only("timeout", step.timeout.is_some(), !wait, "a wait lasts as long as it says");
    if approval && step.ask.is_none() {
        wrong.push(("ask", "say who is asked, such as \"group:finance\""));
    }
    if wait && step.lasts.is_some() == step.until.is_some() {
        wrong.push(("for", "a wait has either for = \"10m\" or until = \"{{ … }}\""));
    }
    wrong
}

/// Why a text is no id of a step or name of an input.
fn no_id(id: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let fits =
        id.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase()) && id.bytes().all(plain) && id.len() <= 64;
    // With a '-' in it, {{ steps.a-b.output }} would be a subtraction.
    (!fits).then_some("it must be 1 to 64 of a-z, 0-9 and '_', beginning with a letter")
}
