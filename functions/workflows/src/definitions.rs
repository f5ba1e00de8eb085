//! All workflows of a folder, read and checked when the process starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use backplane::Kind;

use crate::{
    check::{self, Known, Wrong},
    definition::Definition,
    lines::{Lines, Part, line_of},
    order,
};

/// How deep workflows may start each other.
pub(crate) const DEEPEST: u32 = 5;
/// Most bytes of a definition.
const LARGEST: u64 = 256 * 1024;
const MOST_DEFINITIONS: usize = 1000;

/// All that is wrong with the definitions, each with its file and line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionErrors(pub Vec<String>);

impl std::error::Error for DefinitionErrors {}

impl fmt::Display for DefinitionErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the definitions of workflows (workflows.definitions, BELLWIRE_WORKFLOWS__DEFINITIONS):")?;
        self.0.iter().try_for_each(|each| write!(f, "\n  {each}"))
    }
}

/// Workflows by name.
#[derive(Debug, Clone, Default)]
pub struct Definitions(BTreeMap<String, Arc<Definition>>);

/// A file as it was read.
struct Source {
    path: PathBuf,
    name: String,
    text: String,
}

impl Definitions {
    /// Reads all `NAME.toml` of a folder; none where the path is empty. Steps may name these functions.
    pub fn read(folder: &Path, kinds: &[Kind]) -> Result<Self, DefinitionErrors> {
        if folder.as_os_str().is_empty() {
            return Ok(Self::default());
        }
        let sources = sources(folder)?;
        let kinds = kinds.iter().map(|kind| kind.to_string()).collect();
        let workflows = sources.iter().map(|source| source.name.clone()).collect();
        let known = Known { kinds: &kinds, workflows: &workflows };
        let (mut found, mut wrong) = (BTreeMap::new(), Vec::new());
        for source in &sources {
            match source.definition(&known) {
                Ok(definition) => drop(found.insert(source.name.clone(), definition)),
                Err(errors) => wrong.extend(errors),
            }
        }
        if wrong.is_empty() {
            wrong = nesting(&sources, &found);
        }
        match wrong.is_empty() {
            true => Ok(Self(found.into_iter().map(|(name, definition)| (name, Arc::new(definition))).collect())),
            false => Err(DefinitionErrors(wrong)),
        }
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

fn sources(folder: &Path) -> Result<Vec<Source>, DefinitionErrors> {
    let failed = |path: &Path, why: &dyn fmt::Display| DefinitionErrors(vec![format!("{}: {why}", path.display())]);
    let entries = fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.len() > MOST_DEFINITIONS {
        return Err(failed(folder, &format!("it holds {} definitions; {MOST_DEFINITIONS} are allowed", paths.len())));
    }
    let read = paths.into_iter().map(|path| {
        let bytes = fs::metadata(&path).map_err(|error| failed(&path, &error))?.len();
        if bytes > LARGEST {
            return Err(failed(&path, &format!("it has {bytes} bytes; {LARGEST} are allowed")));
        }
        let text = fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Source { path, name, text })
    });
    read.collect()
}

impl Source {
    fn definition(&self, known: &Known<'_>) -> Result<Definition, Vec<String>> {
        if let Some(why) = self.bad_name(known) {
            return Err(vec![format!("{}: {why}", self.path.display())]);
        }
        let mut definition: Definition = toml::from_str(&self.text).map_err(|error| {
            let line = line_of(&self.text, error.span().map_or(0, |span| span.start));
            vec![format!("{}:{line}: {}", self.path.display(), error.message().trim())]
        })?;
        let wrong = check::check(&definition, known);
        if !wrong.is_empty() {
            let lines = Lines::of(&self.text);
            return Err(wrong.iter().map(|wrong| self.told(&lines, wrong)).collect());
        }
        definition.name.clone_from(&self.name);
        for step in &mut definition.steps {
            step.nested = known.workflows.contains(&step.kind) && !known.kinds.contains(&step.kind);
        }
        Ok(definition)
    }

    fn told(&self, lines: &Lines<'_>, Wrong { way, why }: &Wrong) -> String {
        format!("{}:{}: {why}", self.path.display(), lines.line(way))
    }

    fn bad_name(&self, known: &Known<'_>) -> Option<String> {
        let name = &self.name;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !begins || !name.bytes().all(plain) || name.len() > 64 {
            return Some("a workflow's name has 1 to 64 of a-z, 0-9, '_' and '-', and begins with a letter".to_owned());
        }
        let taken = ["approval", "wait", "workflows"].contains(&name.as_str()) || known.kinds.contains(name);
        taken.then(|| format!("{name} is a kind of step already; give the file another name"))
    }
}

/// What is wrong with workflows that start each other.
fn nesting(sources: &[Source], found: &BTreeMap<String, Definition>) -> Vec<String> {
    let names: Vec<&String> = found.keys().collect();
    let started = |at: usize| -> Vec<usize> {
        let steps = found[names[at]].steps.iter();
        steps.filter_map(|step| names.iter().position(|name| **name == step.kind)).collect()
    };
    let place = |at: usize| {
        let source = sources.iter().find(|source| source.name == *names[at]);
        let kinds: BTreeSet<_> = started(at).into_iter().map(|to| names[to]).collect();
        let step = found[names[at]].steps.iter().position(|step| kinds.contains(&step.kind));
        let way: Vec<Part> = step.map_or_else(Vec::new, |step| vec!["step".into(), step.into(), "kind".into()]);
        source.map_or_else(String::new, |source| {
            format!("{}:{}", source.path.display(), Lines::of(&source.text).line(&way))
        })
    };
    if let Some(cycle) = order::cycle_among(names.len(), started) {
        let shown: Vec<_> = cycle.iter().map(|at| names[*at].as_str()).collect();
        return vec![format!(
            "{}: kind: these workflows start each other without end: {}",
            place(cycle[0]),
            shown.join(" → ")
        )];
    }
    let mut depths = vec![0; names.len()];
    // Without a cycle, the longest way is found after as many rounds as there are workflows; two too many are enough.
    for _ in 0..=DEEPEST {
        for at in 0..names.len() {
            depths[at] = started(at).into_iter().map(|to| depths[to] + 1).max().unwrap_or(0);
        }
    }
    let deep = (0..names.len()).filter(|at| depths[*at] >= DEEPEST);
    deep.map(|at| format!("{}: kind: it starts workflows more than {DEEPEST} deep", place(at))).collect()
}
