//! All workflows of a folder, read and checked when the process starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use model::Kind;
use runtime::definitions::{Fault, Faults, Folder, Source};

use super::{
    check::{self, Kinds},
    dependencies,
    document::Definition,
};

/// The setting of the folder.
pub(crate) const SETTING: &str = "workflows.definitions (BELLWIRE_WORKFLOWS__DEFINITIONS)";

/// The deepest nesting of workflows that start each other.
pub(crate) const MAX_DEPTH: u32 = 5;

/// Workflows by name.
#[derive(Debug, Clone, Default)]
pub struct Definitions(BTreeMap<String, Arc<Definition>>);

impl Definitions {
    /// Reads all `NAME.toml` of a folder; none where the path is empty. Steps may name these functions.
    pub fn read(folder: &Path, functions: &[Kind]) -> Result<Self, Faults> {
        let folder = Folder::open(SETTING, folder, ["toml"]);
        let kinds = Kinds {
            functions: functions.iter().map(Kind::to_string).collect(),
            workflows: folder.names().map(str::to_owned).collect(),
        };
        let definitions = folder.read(|[source]| read(source, &kinds), |found| check_nesting(&folder, found))?;
        Ok(Self(definitions.into_iter().map(|(name, definition)| (name, Arc::new(definition))).collect()))
    }

    /// Reads a definition that starts no other, from its text alone; steps may name these functions.
    pub fn read_text(text: &str, functions: &[Kind]) -> Result<Definition, Vec<Fault>> {
        let source = Source { file: "workflow.toml".to_owned(), name: "workflow".to_owned(), text: text.to_owned() };
        let functions = functions.iter().map(Kind::to_string).collect();
        read(&source, &Kinds { functions, workflows: BTreeSet::new() })
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
    let name = source.name.as_str();
    if ["approval", "wait", "workflows"].contains(&name) || kinds.functions.contains(name) {
        return Err(vec![source.fault(format!("{name} is a kind of step already; give the file another name"))]);
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

/// Finds workflows that start each other without end or too deep.
fn check_nesting(folder: &Folder<1>, definitions: &BTreeMap<String, Definition>) -> Vec<Fault> {
    let names: Vec<&String> = definitions.keys().collect();
    let started_by = |workflow: usize| -> Vec<usize> {
        let steps = definitions[names[workflow]].steps.iter();
        steps.filter_map(|step| names.iter().position(|name| **name == step.kind)).collect()
    };
    let fault = |workflow: usize, reason: String| {
        let name = names[workflow];
        let step = definitions[name].steps.iter().position(|step| names.contains(&&step.kind)).unwrap_or_default();
        let [source] = folder.sources(name).expect("a definition that was read has its file");
        source.fault_in(&["step".into(), step.into(), "kind".into()], reason)
    };
    if let Some(cycle) = dependencies::find_cycle(names.len(), started_by) {
        let shown: Vec<_> = cycle.iter().map(|workflow| names[*workflow].as_str()).collect();
        let reason = format!("kind: these workflows start each other without end: {}", shown.join(" → "));
        return vec![fault(cycle[0], reason)];
    }
    let mut depths = vec![0; names.len()];
    // Without a cycle, the longest path is found after as many rounds as there are workflows; two too many are enough.
    for _ in 0..=MAX_DEPTH {
        for workflow in 0..names.len() {
            depths[workflow] = started_by(workflow).into_iter().map(|started| depths[started] + 1).max().unwrap_or(0);
        }
    }
    let too_deep = (0..names.len()).filter(|workflow| depths[*workflow] >= MAX_DEPTH);
    too_deep.map(|workflow| fault(workflow, format!("kind: it starts workflows more than {MAX_DEPTH} deep"))).collect()
}
