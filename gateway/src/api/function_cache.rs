//! The descriptions of an environment's functions, read from its catalogue at most once in a few seconds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use model::catalogue::Description;
use storage::{Catalogue, StorageError};
use tokio::{
    sync::{Mutex, watch},
    time::timeout,
};
use tracing::warn;

/// The time for which a result is used again; a new worker is seen after so long.
const MAX_AGE: Duration = Duration::from_secs(3);
/// What is older is not taken while it can be read again: a new policy counts on each pod after so long.
const MAX_KNOWN_AGE: Duration = Duration::from_secs(15);
/// The time that the storage may take.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// A catalogue, and what was last read from it; cheap to clone.
#[derive(Clone)]
pub struct FunctionCache(Arc<Cache>);

struct Cache {
    catalogue: Catalogue,
    /// Locked while it is read: many requests at once cause one read, and wait once for a storage that is away.
    last: Mutex<Option<(Instant, Descriptions)>>,
    /// What was last read without an error.
    known: watch::Sender<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    descriptions: Arc<[Description]>,
    read_at: Instant,
    /// The last time they could not be read again.
    is_away: bool,
}

type Descriptions = Result<Arc<[Description]>, StorageError>;

impl FunctionCache {
    /// An empty cache over this catalogue.
    pub fn new(catalogue: Catalogue) -> Self {
        Self(Arc::new(Cache { catalogue, last: Mutex::default(), known: watch::Sender::default() }))
    }

    /// The descriptions, by kind.
    pub async fn all(&self) -> Descriptions {
        let mut last = self.0.last.lock().await;
        if let Some((_, descriptions)) = &*last
            && !is_old(&last)
        {
            return descriptions.clone();
        }
        let descriptions = self.0.read().await;
        self.0.keep(&descriptions);
        *last = Some((Instant::now(), descriptions.clone()));
        descriptions
    }

    /// What was last read, at once: it is read again meanwhile where it is older than a moment, and a storage that is away holds up
    /// nobody. What is much older is waited for, and taken where it cannot be read.
    pub async fn known(&self) -> Descriptions {
        let Some(known) = self.0.known.borrow().clone() else { return self.all().await };
        if known.read_at.elapsed() >= MAX_KNOWN_AGE && !known.is_away {
            return Ok(self.all().await.unwrap_or(known.descriptions));
        }
        // Locked, it is being read.
        if let Ok(last) = self.0.last.try_lock()
            && is_old(&last)
        {
            drop(last);
            let cache = self.clone();
            // It ends within the time that the storage may take; what it reads or why it cannot is kept.
            tokio::spawn(async move { cache.all().await.ok() });
        }
        Ok(known.descriptions)
    }
}

impl Cache {
    fn keep(&self, read: &Descriptions) {
        match read {
            Ok(descriptions) => {
                let descriptions = descriptions.clone();
                self.known.send_replace(Some(Known { descriptions, read_at: Instant::now(), is_away: false }));
            }
            Err(error) => {
                warn!(%error, "the functions cannot be read from the storage");
                self.known.send_modify(|known| known.iter_mut().for_each(|known| known.is_away = true));
            }
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

fn is_old(last: &Option<(Instant, Descriptions)>) -> bool {
    last.as_ref().is_none_or(|(read_at, _)| read_at.elapsed() >= MAX_AGE)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use storage::{Storage, StorageConfig};

    use super::*;

    #[tokio::test]
    async fn a_storage_that_is_away_is_an_error_and_invalid_descriptions_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(&StorageConfig::at(format!("file:{}", folder.path().display()))).unwrap();
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

    #[tokio::test]
    async fn what_is_known_is_there_while_it_is_read_again() {
        let storage = Storage::open(&StorageConfig::at("memory:")).unwrap();
        let catalogue = storage.catalogue(&"prod".parse().unwrap());
        let put = async |kind: &str| {
            let description = format!(r#"{{ "kind": "{kind}", "title": "T", "input": {{}} }}"#);
            catalogue.put(&kind.parse().unwrap(), description.into()).await.unwrap();
        };
        put("imports").await;
        let functions = FunctionCache::new(catalogue.clone());
        assert_eq!(functions.known().await.unwrap().len(), 1, "the first is waited for");
        put("reports").await;
        let mut last = functions.0.last.lock().await;
        *last = last.take().map(|(_, read)| (Instant::now().checked_sub(MAX_AGE).unwrap(), read));
        assert_eq!(functions.known().await.unwrap().len(), 1, "the storage is being read, and nobody waits");
        drop(last);
        let mut known = functions.0.known.subscribe();
        assert_eq!(functions.known().await.unwrap().len(), 1);
        timeout(READ_TIMEOUT, known.wait_for(|known| known.as_ref().unwrap().descriptions.len() == 2))
            .await
            .unwrap()
            .unwrap();
    }
}
