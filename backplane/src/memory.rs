//! The backplane within one process: the same guarantees, for as long as the process lives.
//!
//! `log`, `jobs`, `control` and `lease` implement the traits of the same names; `ranked_queues`: the jobs that wait.

mod control;
mod jobs;
mod lease;
mod log;
mod ranked_queues;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use model::environment::Environment;

use crate::backplane::Backplane;
use control::MemoryControl;
use jobs::MemoryJobs;
use lease::MemoryLease;
use log::{MemoryLog, MemoryLogs};

/// A broker within this process, with the environments that were opened. Cheap to clone.
#[derive(Clone, Default)]
pub struct Broker {
    logs: MemoryLogs,
    environments: Arc<Mutex<HashMap<Environment, Parts>>>,
}

#[derive(Clone)]
struct Parts {
    log: MemoryLog,
    jobs: MemoryJobs,
    control: MemoryControl,
    lease: MemoryLease,
}

impl Broker {
    /// An empty broker.
    pub fn new() -> Self {
        Self::default()
    }

    /// The backplane of an environment; created by the first call, and a target of `Destination::Everywhere` from then on.
    pub fn environment(&self, environment: &Environment) -> Backplane {
        let mut environments = self.environments.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = environments.entry(environment.clone()).or_insert_with(|| Parts {
            log: self.logs.add(),
            jobs: MemoryJobs::default(),
            control: MemoryControl::default(),
            lease: MemoryLease::default(),
        });
        Backplane {
            log: Arc::new(parts.log.clone()),
            jobs: Arc::new(parts.jobs.clone()),
            control: Arc::new(parts.control.clone()),
            scheduling: Arc::new(parts.lease.clone()),
        }
    }
}
