//! All workflows of a folder, read and checked when the process starts.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use model::Kind;
use runtime::definitions::{Fault, Faults, Source, fault_of_name, files};

use super::{
    check::{self, Kinds},
    dependencies,
    document::Definition,
    faults::{self, FaultList, Position},
};

/// How deep workflows may start each other.
pub(crate) const MAX_DEPTH: u32 = 5;

/// Workflows by name.
#[derive(Debug, Clone, Default)]
pub struct Definitions(BTreeMap<String, Arc<Definition>>);

impl Definitions {
    /// Reads all `NAME.toml` of a folder; none where the path is empty. Steps may name these functions.
    pub fn read(folder: &Path, functions: &[Kind]) -> Result<Self, Faults> {
        let setting = "workflows.definitions (BELLWIRE_WORKFLOWS__DEFINITIONS)";
        let files = files(folder, &["toml"]).map_err(|fault| Faults { setting, faults: vec![fault] })?;
        let (mut sources, mut definitions, mut faults) = (Vec::new(), BTreeMap::new(), Vec::new());
        for file in files {
            Source::read(folder, &file).map_or_else(|fault| faults.push(fault), |source| sources.push(source));
        }
        let kinds = Kinds {
            functions: functions.iter().map(Kind::to_string).collect(),
            workflows: sources.iter().map(|source| source.name.clone()).collect(),
        };
        for source in &sources {
            match read(source, &kinds) {
                Ok(definition) => drop(definitions.insert(source.name.clone(), definition)),
                Err(found) => faults.extend(found),
            }
        }
        if faults.is_empty() {
            faults = check_nesting(&sources, &definitions);
        }
        let definitions = definitions.into_iter().map(|(name, definition)| (name, Arc::new(definition)));
        Faults::unless_none(setting, faults).map(|()| Self(definitions.collect()))
    }

    /// The workflow of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Definition>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Definition> {
        self.0.values().map(AsRef::as_ref)
    }
}

fn read(source: &Source, kinds: &Kinds) -> Result<Definition, Vec<Fault>> {
    if let Some(error) = fault_of_workflow_name(&source.name, kinds) {
        return Err(vec![source.fault(error)]);
    }
    let mut definition: Definition = source.parse().map_err(|fault| vec![fault])?;
    let faults = check::check(&definition, source, kinds);
    if !faults.is_empty() {
        return Err(faults);
    }
    definition.name.clone_from(&source.name);
    for step in &mut definition.steps {
        step.nested = kinds.workflows.contains(&step.kind) && !kinds.functions.contains(&step.kind);
    }
    Ok(definition)
}

fn fault_of_workflow_name(name: &str, kinds: &Kinds) -> Option<String> {
    let is_taken = ["approval", "wait", "workflows"].contains(&name) || kinds.functions.contains(name);
    match fault_of_name(name) {
        None if is_taken => Some(format!("{name} is a kind of step already; give the file another name")),
        error => error.map(str::to_owned),
    }
}

/// Finds workflows that start each other without end or too deep. The sources and definitions are of the same files.
fn check_nesting(sources: &[Source], definitions: &BTreeMap<String, Definition>) -> Vec<Fault> {
    let names: Vec<&String> = definitions.keys().collect();
    let started_by = |workflow: usize| -> Vec<usize> {
        let steps = definitions[names[workflow]].steps.iter();
        steps.filter_map(|step| names.iter().position(|name| **name == step.kind)).collect()
    };
    let fault =
        |workflow: usize, reason: String| fault_of_nesting(sources, &definitions[names[workflow]], &names, reason);
    if let Some(cycle) = dependencies::find_cycle(names.len(), started_by) {
        let shown: Vec<_> = cycle.iter().map(|workflow| names[*workflow].as_str()).collect();
        let reason = format!("kind: these workflows start each other without end: {}", shown.join(" → "));
        return fault(cycle[0], reason);
    }
    let mut depths = vec![0; names.len()];
    // Without a cycle, the longest path is found after as many rounds as there are workflows; two too many are enough.
    for _ in 0..=MAX_DEPTH {
        for workflow in 0..names.len() {
            depths[workflow] = started_by(workflow).into_iter().map(|started| depths[started] + 1).max().unwrap_or(0);
        }
    }
    let too_deep = (0..names.len()).filter(|workflow| depths[*workflow] >= MAX_DEPTH);
    too_deep
        .flat_map(|workflow| fault(workflow, format!("kind: it starts workflows more than {MAX_DEPTH} deep")))
        .collect()
}

/// A fault at the first step that starts another workflow.
fn fault_of_nesting(sources: &[Source], definition: &Definition, names: &[&String], reason: String) -> Vec<Fault> {
    let source = sources.iter().find(|source| source.name == definition.name);
    let step = definition.steps.iter().position(|step| names.contains(&&step.kind));
    let (Some(source), Some(step)) = (source, step) else {
        return Vec::new();
    };
    let (document, mut list) = (faults::parse(&source.text), FaultList { source, faults: Vec::new() });
    list.add(Position::root(&document).key("step").index(step).key("kind"), reason);
    list.faults
}
