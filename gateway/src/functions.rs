//! `GET /api/functions`: what can be started, as the workers say of themselves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, extract::State};
use backplane::catalogue::{Description, allows};
use serde::Serialize;
use storage::{Catalogue, StorageError};
use tokio::{sync::Mutex, time::timeout};
use tracing::warn;
use utoipa::ToSchema;

use crate::{caller::Caller, pod::Pod, problem::Problem};

/// How long what was read is taken for true; a worker that is new is seen after so long.
const FRESH: Duration = Duration::from_secs(3);
/// How long the storage may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The functions of one environment, read from its catalogue at most once in a few seconds.
pub struct Functions {
    catalogue: Catalogue,
    /// Held while it is read: many who ask at once read once.
    known: Mutex<Option<(Instant, Arc<[Description]>)>>,
}

impl Functions {
    /// The functions of a catalogue.
    pub fn of(catalogue: Catalogue) -> Self {
        Self { catalogue, known: Mutex::default() }
    }

    /// What they say of themselves, by kind.
    pub async fn all(&self) -> Result<Arc<[Description]>, StorageError> {
        let mut known = self.known.lock().await;
        if let Some((read, all)) = &*known
            && read.elapsed() < FRESH
        {
            return Ok(all.clone());
        }
        let entries = timeout(PATIENCE, self.catalogue.all()).await;
        let entries = entries.map_err(|_| StorageError::Failed("it does not answer".to_owned()))??;
        let described = entries.into_iter().filter_map(|entry| {
            let described = serde_json::from_slice(&entry.bytes);
            described.inspect_err(|error| warn!(kind = %entry.kind, %error, "a function's words are none")).ok()
        });
        let all: Arc<[Description]> = described.collect();
        *known = Some((Instant::now(), all.clone()));
        Ok(all)
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
    let mut functions = caller.gate.functions.all().await?.to_vec();
    for function in &mut functions {
        function.offers.retain(|offer| allows(&offer.allow, &caller.claims.sub, &caller.claims.groups));
    }
    Ok(Json(Shown { functions }))
}
