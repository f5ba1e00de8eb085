//! Reports read by other programs than ours: openpyxl, Python's csv and HTML parser, pdftotext.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers");

/// A Python with what the readers need, made once and kept beside what was built.
static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
    let requirements = Path::new(FOLDER).join("requirements.txt");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(folder).unwrap();
    // Two runs at once would make it twice.
    let lock = File::create(folder.join("readers.lock")).unwrap();
    lock.lock().unwrap();
    let (venv, made) = (folder.join("readers"), folder.join("readers/requirements.txt"));
    if fs::read(&made).ok() != Some(fs::read(&requirements).unwrap()) {
        output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        let pip = venv.join("bin/pip");
        output(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements));
        fs::copy(&requirements, &made).unwrap();
    }
    venv.join("bin/python")
});

/// What a program says; a test fails where the program does.
fn output(command: &mut Command) -> Vec<u8> {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; run `make test`"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// What another program reads in a file of this format: xlsx, html, csv, or a zip of texts.
pub(crate) fn read(format: &str, file: &[u8]) -> Value {
    let path = tempfile::NamedTempFile::new().unwrap();
    fs::write(path.path(), file).unwrap();
    let script = Path::new(FOLDER).join("read.py");
    serde_json::from_slice(&output(Command::new(&*PYTHON).arg(script).arg(format).arg(path.path()))).unwrap()
}

/// The text of a PDF as pdftotext extracts it, page by page.
pub(crate) fn pages(file: &[u8]) -> Vec<String> {
    let path = tempfile::NamedTempFile::new().unwrap();
    fs::write(path.path(), file).unwrap();
    let text = output(Command::new("pdftotext").args(["-layout", "-enc", "UTF-8"]).arg(path.path()).arg("-"));
    let text = String::from_utf8(text).unwrap();
    text.trim_end_matches('\u{c}').split('\u{c}').map(str::to_owned).collect()
}

/// What pdfinfo says of a PDF.
pub(crate) fn pdf_properties(file: &[u8]) -> String {
    let path = tempfile::NamedTempFile::new().unwrap();
    fs::write(path.path(), file).unwrap();
    String::from_utf8(output(Command::new("pdfinfo").arg(path.path()))).unwrap()
}

/// The fonts of a PDF, a line each.
pub(crate) fn fonts(file: &[u8]) -> String {
    let path = tempfile::NamedTempFile::new().unwrap();
    fs::write(path.path(), file).unwrap();
    String::from_utf8(output(Command::new("pdffonts").arg(path.path()))).unwrap()
}
