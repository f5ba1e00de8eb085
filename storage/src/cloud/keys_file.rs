//! Keys in a file, looked at for each request: new ones need no restart.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use object_store::{CredentialProvider, Result};
use tracing::warn;

use crate::address::OpenError;

/// How the keys are written in the file; an error says what is wrong with it, and shows nothing of it.
type Parse<T> = fn(&str) -> Result<T, String>;

/// The keys that the file held last.
pub(super) struct KeysFile<T> {
    path: PathBuf,
    parse: Parse<T>,
    last: Mutex<(Arc<T>, bool)>,
}

impl<T> KeysFile<T> {
    pub(super) fn open(path: &Path, parse: Parse<T>) -> Result<Self, OpenError> {
        let text = fs::read_to_string(path).map_err(|error| format!("it cannot be read: {error}"));
        let keys = text.and_then(|text| parse(&text));
        let keys = keys.map_err(|reason| OpenError::of("credentials_file", format!("{}: {reason}", path.display())))?;
        Ok(Self { path: path.to_owned(), parse, last: Mutex::new((Arc::new(keys), true)) })
    }
}

#[async_trait::async_trait]
impl<T: Send + Sync + 'static> CredentialProvider for KeysFile<T> {
    type Credential = T;

    /// Those of before where the file cannot be read in this moment: it may be in the midst of being replaced.
    async fn get_credential(&self) -> Result<Arc<T>> {
        let text = tokio::fs::read_to_string(&self.path).await.map_err(|error| format!("it cannot be read: {error}"));
        let keys = text.and_then(|text| (self.parse)(&text));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let was_readable = last.1;
        last.1 = keys.is_ok();
        match keys {
            Ok(keys) => last.0 = Arc::new(keys),
            Err(reason) if was_readable => {
                warn!(file = %self.path.display(), reason, "the storage's keys stay those that were read before");
            }
            Err(_) => {}
        }
        Ok(last.0.clone())
    }
}

impl<T> fmt::Debug for KeysFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeysFile").field("path", &self.path).finish_non_exhaustive()
    }
}
