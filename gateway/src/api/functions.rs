//! `GET /api/functions`: what can be started, as the workers say of themselves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, extract::State};
use model::catalogue::{Description, allows};
use serde::Serialize;
use storage::{Catalogue, StorageError};
use tokio::{sync::Mutex, time::timeout};
use tracing::warn;
use utoipa::ToSchema;

use crate::{api::problem::Problem, caller::Caller, pod::Pod};

/// How long what was read is taken for true; a worker that is new is seen after so long.
const FRESH: Duration = Duration::from_secs(3);
/// How long the storage may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The functions of one environment, read from its catalogue at most once in a few seconds.
pub struct Functions {
    catalogue: Catalogue,
    /// Held while it is read: many who ask at once read once, and wait once for a storage that is away.
    known: Mutex<Option<(Instant, Known)>>,
}

type Known = Result<Arc<[Description]>, StorageError>;

impl Functions {
    /// The functions of a catalogue.
    pub fn of(catalogue: Catalogue) -> Self {
        Self { catalogue, known: Mutex::default() }
    }

    /// What they say of themselves, by kind.
    pub async fn all(&self) -> Known {
        let mut known = self.known.lock().await;
        if let Some((read, all)) = &*known
            && read.elapsed() < FRESH
        {
            return all.clone();
        }
        let all = self.read().await;
        *known = Some((Instant::now(), all.clone()));
        all
    }

    async fn read(&self) -> Known {
        let entries = timeout(PATIENCE, self.catalogue.all()).await;
        let entries = entries.map_err(|_| StorageError::Failed("it does not answer".to_owned()))??;
        let described = entries.into_iter().filter_map(|entry| {
            let described = serde_json::from_slice(&entry.bytes);
            described.inspect_err(|error| warn!(kind = %entry.kind, %error, "a function's words are none")).ok()
        });
        Ok(described.collect())
    }
}

/// The functions there are, each with what the caller may start of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Shown {
    /// By kind: `kind`, `title`, `input` (a JSON Schema) and `offers`, each with a form's `fields`.
    #[schema(value_type = Vec<Object>)]
    functions: Vec<Description>,
}

/// List what can be started.
#[utoipa::path(
    get, path = "/api/functions", tag = "tasks",
    responses((status = 200, body = Shown), (status = 401, body = Problem), (status = 503, body = Problem)),
)]
pub async fn list(State(_pod): State<Pod>, caller: Caller) -> Result<Json<Shown>, Problem> {
    let mut functions = caller.environment.functions.all().await?.to_vec();
    for function in &mut functions {
        function.offers.retain(|offer| allows(&offer.allow, &caller.claims.sub, &caller.claims.groups));
    }
    Ok(Json(Shown { functions }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use storage::{Storage, StorageConfig};

    use super::*;

    #[tokio::test]
    async fn a_storage_that_is_away_is_an_error_and_words_that_are_none_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(&StorageConfig { url: format!("file:{}", folder.path().display()) }).unwrap();
        let functions = || Functions::of(storage.catalogue(&"prod".parse().unwrap()));
        assert!(functions().all().await.unwrap().is_empty());
        fs::write(folder.path().join("prod"), "in the way").unwrap();
        let (away, now) = (functions(), Instant::now());
        assert!(away.all().await.is_err());
        fs::remove_file(folder.path().join("prod")).unwrap();
        assert!(away.all().await.is_err() || now.elapsed() > FRESH, "it is not asked again at once");
        fs::create_dir_all(folder.path().join("prod/~functions")).unwrap();
        fs::write(folder.path().join("prod/~functions/broken.json"), "{").unwrap();
        let good = r#"{ "kind": "imports", "title": "Import", "input": {} }"#;
        fs::write(folder.path().join("prod/~functions/imports.json"), good).unwrap();
        let known = functions().all().await.unwrap();
        assert_eq!(known.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(), ["imports"]);
    }
}
