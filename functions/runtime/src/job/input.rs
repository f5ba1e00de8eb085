//! The input of a job, from the job itself or from a file of its owner, checked by the function's schema.

use std::sync::Arc;

use model::Job;
use serde_json::Value;
use storage::OwnerFiles;

use crate::{failure::Failure, job::schema::InputSchema, stored};

/// The input of a job, which is read once where it is stored.
pub(crate) struct JobInput {
    schema: Arc<InputSchema>,
    input: Value,
    stored: Option<String>,
}

impl JobInput {
    /// The input of a job whose function has this schema; not read yet.
    pub(crate) fn new(job: &Job, schema: Arc<InputSchema>) -> Self {
        Self { schema, input: job.input.clone(), stored: job.stored_input.clone() }
    }

    /// Reads it unless that is done.
    pub(crate) async fn load(&mut self, files: &OwnerFiles) -> Result<(), Failure> {
        if let Some(key) = &self.stored {
            self.input = stored::read_input(files, key).await?;
            self.stored = None;
        }
        Ok(())
    }

    /// What was read of it.
    pub(crate) fn value(&self) -> &Value {
        &self.input
    }

    /// All of it, checked.
    pub(crate) async fn read(mut self, files: &OwnerFiles) -> Result<Value, Failure> {
        self.load(files).await?;
        self.schema.check(&self.input)?;
        Ok(self.input)
    }
}
