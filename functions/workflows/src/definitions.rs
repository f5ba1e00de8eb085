//! All workflows of a folder, read and checked when the process starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use model::Kind;
use runtime::definitions::{Fault, Faults, Folder, Segment, Source};

use crate::{
    check::{self, Known, Wrong},
    definition::Definition,
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
        let folder = Folder::open(setting, folder, ["toml"]);
        let kinds = kinds.iter().map(|kind| kind.to_string()).collect();
        let workflows = folder.names().map(str::to_owned).collect();
        let known = Known { kinds: &kinds, workflows: &workflows };
        let found = folder.read(|[source]| definition(source, &known), |found| nesting(&folder, found))?;
        Ok(Self(found.into_iter().map(|(name, definition)| (name, Arc::new(definition))).collect()))
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
    let name = &source.name;
    if ["approval", "wait", "workflows"].contains(&name.as_str()) || known.kinds.contains(name) {
        return Err(vec![source.fault(format!("{name} is a kind of step already; give the file another name"))]);
    }
    let mut definition: Definition = source.parse().map_err(|fault| vec![fault])?;
    let wrong = check::check(&definition, known);
    if !wrong.is_empty() {
        let told = |Wrong { way, why }| source.fault_in(&way, why);
        return Err(wrong.into_iter().map(told).collect());
    }
    definition.name.clone_from(&source.name);
    for step in &mut definition.steps {
        step.nested = known.workflows.contains(&step.kind) && !known.kinds.contains(&step.kind);
    }
    Ok(definition)
}

/// What is wrong with workflows that start each other.
fn nesting(folder: &Folder<1>, found: &BTreeMap<String, Definition>) -> Vec<Fault> {
    let names: Vec<&String> = found.keys().collect();
    let started = |at: usize| -> Vec<usize> {
        let steps = found[names[at]].steps.iter();
        steps.filter_map(|step| names.iter().position(|name| **name == step.kind)).collect()
    };
    let fault = |at: usize, why: String| {
        let kinds: BTreeSet<_> = started(at).into_iter().map(|to| names[to]).collect();
        let step = found[names[at]].steps.iter().position(|step| kinds.contains(&step.kind));
        let way: Vec<Segment> = step.map_or_else(Vec::new, |step| vec!["step".into(), step.into(), "kind".into()]);
        let [source] = folder.sources(names[at]).expect("a definition that was read has its file");
        source.fault_in(&way, why)
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
