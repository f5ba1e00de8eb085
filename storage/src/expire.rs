//! Removes old files.

use std::time::SystemTime;

use futures_util::TryStreamExt;
use model::Environment;
use object_store::{Error, ObjectStoreExt, path::Path};

use crate::{files::StorageError, open::Storage};

impl Storage {
    /// Removes the files of all owners of an environment whose key's id has this prefix and that were stored before a time;
    /// returns their number. A file that another process removes at the same time is no error.
    pub async fn remove_older(
        &self,
        environment: &Environment,
        id_prefix: &str,
        before: SystemTime,
    ) -> Result<u64, StorageError> {
        let failed = |error: Error| StorageError::Failed(error.to_string());
        let mut files = self.store.list(Some(&Path::from(environment.as_str())));
        let mut removed = 0;
        while let Some(file) = files.try_next().await.map_err(failed)? {
            // `<environment>/<owner>/<id>/<name>`
            let has_prefix = file.location.parts().nth(2).is_some_and(|id| id.as_ref().starts_with(id_prefix));
            if !has_prefix || SystemTime::from(file.last_modified) >= before {
                continue;
            }
            match self.store.delete(&file.location).await {
                Ok(()) => removed += 1,
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(removed)
    }
}
