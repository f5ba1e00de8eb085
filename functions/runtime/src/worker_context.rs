//! The services of a worker process.

use backplane::Backplane;
use model::{Environment, PodId};
use process::Telemetry;
use signing::Verifier;
use storage::Storage;

use crate::database::Database;

/// The services that a worker gives to its function; cheap to clone.
#[derive(Clone)]
pub struct WorkerContext {
    /// The environment whose jobs the worker takes.
    pub environment: Environment,
    /// The backplane of that environment.
    pub backplane: Backplane,
    /// Verifies what the gateways of that environment have signed: jobs and answers.
    pub verifier: Verifier,
    /// The files.
    pub storage: Storage,
    /// The database of `[database]`, if there is one.
    pub database: Option<Database>,
    /// The id of this process.
    pub pod: PodId,
    /// Traces.
    pub telemetry: Telemetry,
}
