//! Secrets in files.

use std::{fs, path::Path};

/// The secret in a file, without one line end after it.
pub(crate) fn secret_of(file: &Path) -> Result<String, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let secret = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if secret.is_empty() { Err(format!("{} is empty", file.display())) } else { Ok(secret.to_owned()) }
}
