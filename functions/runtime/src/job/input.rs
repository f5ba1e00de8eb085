//! The input of a job, from the job itself or from a file of its owner, checked by the function's schema.

use std::sync::Arc;

use model::Job;
use serde_json::Value;
use storage::OwnerFiles;

use crate::{failure::Failure, job::schema::InputSchema, stored};

/// The input of a job, not read yet.
pub(crate) struct JobInput {
    schema: Arc<InputSchema>,
    input: Value,
    stored: Option<String>,
}

impl JobInput {
    /// The input of a job whose function has this schema.
    pub(crate) fn new(job: &Job, schema: Arc<InputSchema>) -> Self {
        Self { schema, input: job.input.clone(), stored: job.stored_input.clone() }
    }

    /// Reads it and checks it.
    pub(crate) async fn read(self, files: &OwnerFiles) -> Result<Value, Failure> {
        let input = match self.stored {
            Some(key) => stored::read_input(files, &key).await?,
            None => self.input,
        };
        self.schema.check(&input)?;
        Ok(input)
    }
}
