//! The descriptions of an environment's functions, read from its catalogue at most once in a few seconds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use model::catalogue::Description;
use storage::{Catalogue, StorageError};
use tokio::{sync::Mutex, time::timeout};
use tracing::warn;

/// The time for which a result is used again; a new worker is seen after so long.
const MAX_AGE: Duration = Duration::from_secs(3);
/// The time that the storage may take.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// A catalogue, and what was last read from it.
pub struct FunctionCache {
    catalogue: Catalogue,
    /// Locked while it is read: many requests at once cause one read, and wait once for a storage that is away.
    last: Mutex<Option<(Instant, Descriptions)>>,
    /// What was last read without an error.
    known: Mutex<Option<Arc<[Description]>>>,
}

type Descriptions = Result<Arc<[Description]>, StorageError>;

impl FunctionCache {
    /// An empty cache over this catalogue.
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, last: Mutex::default(), known: Mutex::default() }
    }

    /// The descriptions, by kind.
    pub async fn all(&self) -> Descriptions {
        let mut last = self.last.lock().await;
        if let Some((read_at, descriptions)) = &*last
            && read_at.elapsed() < MAX_AGE
        {
            return descriptions.clone();
        }
        let descriptions = self.read().await;
        if let Ok(descriptions) = &descriptions {
            *self.known.lock().await = Some(descriptions.clone());
        }
        *last = Some((Instant::now(), descriptions.clone()));
        descriptions
    }

    /// The same; the last that were read while the storage is away.
    pub async fn known(&self) -> Descriptions {
        match self.all().await {
            Ok(descriptions) => Ok(descriptions),
            Err(error) => self.known.lock().await.clone().ok_or(error),
        }
    }

    async fn read(&self) -> Descriptions {
        let entries = timeout(READ_TIMEOUT, self.catalogue.all()).await;
        let entries = entries.map_err(|_| StorageError::Failed("it does not answer".to_owned()))??;
        let descriptions = entries.into_iter().filter_map(|entry| {
            let description = serde_json::from_slice(&entry.bytes);
            description
                .inspect_err(|error| warn!(kind = %entry.kind, %error, "a function's description is invalid"))
                .ok()
        });
        Ok(descriptions.collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use storage::{Storage, StorageConfig};

    use super::*;

    #[tokio::test]
    async fn a_storage_that_is_away_is_an_error_and_invalid_descriptions_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(&StorageConfig { url: format!("file:{}", folder.path().display()) }).unwrap();
        let functions = || FunctionCache::new(storage.catalogue(&"prod".parse().unwrap()));
        assert!(functions().all().await.unwrap().is_empty());
        fs::write(folder.path().join("prod"), "in the way").unwrap();
        let (away, now) = (functions(), Instant::now());
        assert!(away.all().await.is_err());
        fs::remove_file(folder.path().join("prod")).unwrap();
        assert!(away.all().await.is_err() || now.elapsed() > MAX_AGE, "it is not asked again at once");
        fs::create_dir_all(folder.path().join("prod/~functions")).unwrap();
        fs::write(folder.path().join("prod/~functions/broken.json"), "{").unwrap();
        let good = r#"{ "kind": "imports", "title": "Import", "input": {} }"#;
        fs::write(folder.path().join("prod/~functions/imports.json"), good).unwrap();
        let known = functions().all().await.unwrap();
        assert_eq!(known.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(), ["imports"]);
    }
}
