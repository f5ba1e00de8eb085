//! Checks what only an approval has: its form, what it shows, who is asked and when again.

use std::{collections::BTreeSet, time::Duration};

use model::catalogue::FieldType;
use runtime::definitions::Segment;

use super::{Check, fault_of_id};
use crate::definition::{ask::Ask, document::HumanDuration, expression};

/// Beyond it a group's own rules are the better place.
const MAX_APPROVALS: u32 = 20;
/// The timeout of an approval that says none.
const APPROVAL_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);

impl Check<'_> {
    /// Checks what only an approval has.
    pub(super) fn approval(&mut self, index: usize) {
        let definition = self.definition;
        let step = &definition.steps[index];
        let mut faults: Vec<(Vec<Segment>, String)> = Vec::new();
        let mut add = |path: &[Segment], reason: String| faults.push((path.to_vec(), reason));
        if step.approvals.is_some_and(|needed| !(1..=MAX_APPROVALS).contains(&needed)) {
            add(&["approvals".into()], format!("approvals: it is 1 to {MAX_APPROVALS}"));
        }
        for (nth, name) in step.show.iter().enumerate() {
            if definition.inputs.iter().all(|field| field.name != *name) {
                add(&["show".into(), nth.into()], format!("show: there is no [[input]] {name:?}"));
            }
        }
        for (nth, file) in step.files.iter().enumerate() {
            if !expression::is_reference(file) {
                let reason = format!("files: {file:?} is no reference such as {{{{ steps.report.output.href }}}}");
                add(&["files".into(), nth.into()], reason);
            }
        }
        let (mut names, timeout) = (BTreeSet::new(), step.timeout.unwrap_or(HumanDuration(APPROVAL_TIMEOUT)));
        for (nth, field) in step.fields.iter().enumerate() {
            let (at, name) = ([Segment::from("field"), nth.into()], &field.name);
            let key = [&at[..], &["name".into()]].concat();
            if let Some(error) = fault_of_id(name) {
                add(&key, format!("field {name:?}: {error}"));
            }
            if !names.insert(name) {
                add(&key, format!("field {name:?}: there are two of this name"));
            }
            if field.value_type() == FieldType::File {
                let reason =
                    format!("field {name:?}: a file cannot be answered with: it is the file of who uploads it");
                add(&[&at[..], &["type".into()]].concat(), reason);
            }
            field
                .check()
                .into_iter()
                .for_each(|(path, reason)| add(&[&at[..], &path].concat(), format!("field {name:?}: {reason}")));
        }
        for (key, time) in [("remind", step.remind), ("escalate", step.escalate.as_ref().map(|to| to.after))] {
            if time.is_some_and(|time| time.0 >= timeout.0 || time.0.is_zero()) {
                add(&[key.into()], format!("{key}: it is before the timeout, and not at once"));
            }
        }
        if let Some(Err(error)) = step.escalate.as_ref().map(|to| Ask::parse(&to.ask)) {
            add(&["escalate".into(), "ask".into()], format!("escalate.ask: {error}"));
        }
        if let Some(Ok(ask)) = step.ask.as_deref().map(Ask::parse)
            && !step.self_approval
            && step.escalate.is_none()
            && ask.is_of_owner_alone()
        {
            let reason = "ask: it asks whoever started the run alone, who may not answer without self_approval = true";
            add(&["ask".into()], reason.to_owned());
        }
        if let Some(Ok(ask)) = step.ask.as_deref().map(Ask::parse)
            && step.escalate.is_none()
            && let (Some(asked), Some(needed)) = (ask.fixed_people(), step.approvals)
            && (asked as u64) < u64::from(needed)
        {
            add(&["approvals".into()], format!("approvals: {needed} are needed, and ask names only {asked}"));
        }
        for (path, reason) in faults {
            let path = [&[Segment::from("step"), index.into()][..], &path].concat();
            self.add(&path, format!("step {:?}: {reason}", step.id));
        }
    }
}
