//! All workflows of a folder, read and checked when the process starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use model::Kind;
use runtime::definitions::{Fault, Faults, Source, fault_of_name, files};

use crate::{
    check::{self, Known, Wrong},
    definition::Definition,
    lines::{Lines, Part},
    order,
};

/// How deep workflows may start each other.
pub(crate) const DEEPEST: u32 = 5;

/// Workflows by name.
#[derive(Debug, Clone, Default)]
pub struct Definitions(BTreeMap<String, Arc<Definition>>);

impl Definitions {
    /// Reads all `NAME.toml` of a folder; none where the path is empty. Steps may name these functions.
    pub fn read(folder: &Path, kinds: &[Kind]) -> Result<Self, Faults> {
        let setting = "workflows.definitions (BELLWIRE_WORKFLOWS__DEFINITIONS)";
        let files = files(folder, &["toml"]).map_err(|fault| Faults { setting, faults: vec![fault] })?;
        let (mut sources, mut found, mut faults) = (Vec::new(), BTreeMap::new(), Vec::new());
        for file in files {
            Source::read(folder, &file).map_or_else(|fault| faults.push(fault), |source| sources.push(source));
        }
        let kinds = kinds.iter().map(|kind| kind.to_string()).collect();
        let workflows = sources.iter().map(|source| source.name.clone()).collect();
        let known = Known { kinds: &kinds, workflows: &workflows };
        for source in &sources {
            match definition(source, &known) {
                Ok(definition) => drop(found.insert(source.name.clone(), definition)),
                Err(told) => faults.extend(told),
            }
        }
        if faults.is_empty() {
            faults = nesting(&sources, &found);
        }
        let all = found.into_iter().map(|(name, definition)| (name, Arc::new(definition)));
        Faults::unless_none(setting, faults).map(|()| Self(all.collect()))
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

fn definition(source: &Source, known: &Known<'_>) -> Result<Definition, Vec<Fault>> {
    if let Some(why) = fault_of(&source.name, known) {
        return Err(vec![source.fault(why)]);
    }
    let mut definition: Definition = source.parse().map_err(|fault| vec![fault])?;
    let wrong = check::check(&definition, known);
    if !wrong.is_empty() {
        let lines = Lines::of(&source.text);
        let told = |Wrong { way, why }| Fault { file: source.file.clone(), line: Some(lines.line(&way)), why };
        return Err(wrong.into_iter().map(told).collect());
    }
    definition.name.clone_from(&source.name);
    for step in &mut definition.steps {
        step.nested = known.workflows.contains(&step.kind) && !known.kinds.contains(&step.kind);
    }
    Ok(definition)
}

/// What is wrong with a workflow's name, if anything.
fn fault_of(name: &str, known: &Known<'_>) -> Option<String> {
    let taken = ["approval", "wait", "workflows"].contains(&name) || known.kinds.contains(name);
    match fault_of_name(name) {
        None if taken => Some(format!("{name} is a kind of step already; give the file another name")),
        why => why.map(str::to_owned),
    }
}

/// What is wrong with workflows that start each other.
fn nesting(sources: &[Source], found: &BTreeMap<String, Definition>) -> Vec<Fault> {
    let names: Vec<&String> = found.keys().collect();
    let started = |at: usize| -> Vec<usize> {
        let steps = found[names[at]].steps.iter();
        steps.filter_map(|step| names.iter().position(|name| **name == step.kind)).collect()
    };
    let fault = |at: usize, why: String| {
        let kinds: BTreeSet<_> = started(at).into_iter().map(|to| names[to]).collect();
        let step = found[names[at]].steps.iter().position(|step| kinds.contains(&step.kind));
        let way: Vec<Part> = step.map_or_else(Vec::new, |step| vec!["step".into(), step.into(), "kind".into()]);
        let text = sources.iter().find(|source| source.name == *names[at]).map(|source| source.text.as_str());
        Fault { file: format!("{}.toml", names[at]), line: text.map(|text| Lines::of(text).line(&way)), why }
    };
    if let Some(cycle) = order::cycle_among(names.len(), started) {
        let shown: Vec<_> = cycle.iter().map(|at| names[*at].as_str()).collect();
        let why = format!("kind: these workflows start each other without end: {}", shown.join(" → "));
        return vec![fault(cycle[0], why)];
    }
    let mut depths = vec![0; names.len()];
    // Without a cycle, the longest way is found after as many rounds as there are workflows; two too many are enough.
    for _ in 0..=DEEPEST {
        for at in 0..names.len() {
            depths[at] = started(at).into_iter().map(|to| depths[to] + 1).max().unwrap_or(0);
        }
    }
    let deep = (0..names.len()).filter(|at| depths[*at] >= DEEPEST);
    deep.map(|at| fault(at, format!("kind: it starts workflows more than {DEEPEST} deep"))).collect()
}
