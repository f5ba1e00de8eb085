//! `bellwire new function`.

use std::{fs, process::Command};

use crate::running::Folder;

fn version(lock: &str, package: &str) -> String {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = ")).unwrap();
    rest.lines().next().unwrap().to_owned()
}

#[test]
fn a_new_function_is_a_crate_of_its_own_with_the_libraries_that_bellwire_was_built_with() {
    let folder = Folder::with("");
    let output = folder.run(&["new", "function", "send-invoices"]);
    assert!(output.status.success(), "{output:?}");
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(words.contains("cd send-invoices && cargo run -- dev"), "{words}");
    let made = folder.0.path().join("send-invoices");
    // Resolves every dependency of this platform with its features, and compiles nothing.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--offline", "--prefix=none", "--format={p}"]).current_dir(&made);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let resolved = String::from_utf8(output.stdout).unwrap();
    for package in ["send-invoices", "bellwire-program", "bellwire-runtime", "bellwire-gateway"] {
        assert!(resolved.lines().any(|line| line.starts_with(&format!("{package} v"))), "{package} in {resolved}");
    }
    let ours = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).unwrap();
    let theirs = fs::read_to_string(made.join("Cargo.lock")).unwrap();
    for package in ["tokio", "lapin", "rusqlite"] {
        assert_eq!(version(&ours, package), version(&theirs, package), "{package}");
    }
    let code = fs::read_to_string(made.join("src/main.rs")).unwrap();
    assert!(code.contains(r#"program::run("send-invoices""#) && code.contains("struct SendInvoices;"), "{code}");
}

#[test]
fn a_folder_that_is_there_is_left_as_it_is() {
    let folder = Folder::with("");
    fs::create_dir(folder.0.path().join("invoices")).unwrap();
    let line = folder.refusal(&["new", "function", "invoices"]);
    assert!(line.contains("invoices is there already"), "{line}");
    assert_eq!(fs::read_dir(folder.0.path().join("invoices")).unwrap().count(), 0);
    let line = folder.refusal(&["new", "function", "bills", "--bellwire", "invoices"]);
    assert!(line.contains("no workspace of Bellwire"), "{line}");
}
