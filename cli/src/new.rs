//! `bellwire new`: writes the crate of a function of one's own, which lives outside this workspace.

use std::{fs, path::Path, path::PathBuf};

use anyhow::{Context, ensure};
use model::Kind;

use crate::terminal::print;

/// The workspace that this program was built in.
const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Built with the same versions of the same libraries as this program.
const LOCK: &str = include_str!("../../Cargo.lock");
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("new/function/manifest.toml")),
    ("src/main.rs", include_str!("../../functions/greetings/src/main.rs")),
    ("tests/function.rs", include_str!("../../functions/greetings/tests/function.rs")),
    ("README.md", include_str!("new/function/readme.md")),
    (".gitignore", "/target/\n/data/\n"),
];
/// The crates of this workspace that the new one depends on, with their folders.
const CRATES: [(&str, &str); 2] = [("program", "functions/program"), ("runtime", "functions/runtime")];

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// A function: the work, a form for the page, a test, and a program that is its worker
    Function {
        /// The kind of its tasks, which also names the folder: up to 32 of a-z, 0-9 and '-', beginning with a letter
        name: Kind,

        /// The folder to make; NAME here by default
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,

        /// Where Bellwire is: a folder, or the address of a git repository; by default the folder that this program was built in
        #[arg(long, value_name = "SOURCE")]
        bellwire: Option<String>,
    },
}

/// Writes it and says how to start it.
pub(crate) fn write(Flags { what: What::Function { name, into, bellwire } }: Flags) -> anyhow::Result<()> {
    let folder = into.unwrap_or_else(|| PathBuf::from(name.as_str()));
    ensure!(!folder.exists(), "{} is there already; --into names another folder", folder.display());
    let source = Source::of(bellwire.as_deref().unwrap_or(WORKSPACE))?;
    for (file, template) in FILES {
        write_file(&folder.join(file), &fill(template, &name, &source))?;
    }
    write_file(&folder.join("Cargo.lock"), LOCK)?;
    print(&format!(
        "{folder} has the function {name}. To see it on a page, with everything that it needs in one process:\n\n  \
         cd {folder} && cargo run -- dev\n\nIts test: cargo test. What else there is to know: {folder}/README.md",
        folder = folder.display(),
    ))?;
    Ok(())
}

fn write_file(file: &Path, content: &str) -> anyhow::Result<()> {
    let parent = file.parent().unwrap_or(file);
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(file, content))
        .with_context(|| format!("{} cannot be written", file.display()))
}

/// Where the crates of Bellwire are.
enum Source {
    Folder(PathBuf),
    Repository(String),
}

impl Source {
    fn of(text: &str) -> anyhow::Result<Self> {
        if text.contains("://") || text.starts_with("git@") {
            return Ok(Self::Repository(text.to_owned()));
        }
        let folder = fs::canonicalize(text).with_context(|| format!("--bellwire: {text}"))?;
        for (_, path) in CRATES {
            let manifest = folder.join(path).join("Cargo.toml");
            ensure!(
                manifest.is_file(),
                "--bellwire: {} is no workspace of Bellwire: it has no {path}",
                folder.display()
            );
        }
        Ok(Self::Folder(folder))
    }

    /// The keys of a dependency that say where it is.
    fn dependency(&self, path: &str) -> String {
        match self {
            Self::Folder(folder) => format!("path = {:?}", folder.join(path)),
            Self::Repository(address) => format!("git = {address:?}"),
        }
    }
}

/// The template for this name: the code is that of `functions/greetings`, where its kind and its type are such words.
fn fill(template: &str, name: &Kind, source: &Source) -> String {
    let mut text = template.replace("{{name}}", name.as_str());
    for (key, folder) in CRATES {
        text = text.replace(&format!("{{{{{key}}}}}"), &source.dependency(folder));
    }
    text.replace("\"greetings\"", &format!("\"{name}\"")).replace("Greetings", &type_name(name))
}

/// `send-invoices` as a Rust type: `SendInvoices`; `InputFunction` for a kind `input`, since the code has an `Input` already.
fn type_name(name: &Kind) -> String {
    let words = name.as_str().split('-');
    let name: String =
        words.filter_map(|word| word.split_at_checked(1)).map(|(first, rest)| first.to_uppercase() + rest).collect();
    let is_taken = |code: &str| code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
    // The template's own type is the one that is replaced.
    match name != "Greetings" && (name == "Self" || FILES.iter().any(|(_, code)| is_taken(code))) {
        true => name + "Function",
        false => name,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_kind_is_a_type_in_rust() {
        for (kind, name) in [
            ("invoices", "Invoices"),
            ("send-invoices", "SendInvoices"),
            ("a-1", "A1"),
            ("a--b-", "AB"),
            ("input", "InputFunction"),
            ("worker", "WorkerFunction"),
            ("ok", "OkFunction"),
            ("self", "SelfFunction"),
            ("greetings", "Greetings"),
        ] {
            assert_eq!(type_name(&kind.parse().unwrap()), name);
        }
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        let kind: Kind = "invoices".parse().unwrap();
        for source in [WORKSPACE, "https://git.example/bellwire"].map(|source| Source::of(source).unwrap()) {
            for (file, template) in FILES {
                let text = fill(template, &kind, &source);
                assert!(!text.contains("{{") && !text.to_lowercase().contains("greetings"), "{file}: {text}");
            }
        }
    }

    #[test]
    fn a_folder_that_is_not_bellwire_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Source::of(folder.path().to_str().unwrap()).err().unwrap().to_string();
        assert!(error.contains("no workspace of Bellwire"), "{error}");
    }
}
