//! A bucket of Google Cloud Storage.

use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder};

use super::place::{Place, unbuilt, variables};
use crate::{
    address::{OpenError, StorageConfig},
    error::words_of,
};

/// The variable of Google by which a pod or a machine is known.
const IDENTITY: [&str; 1] = ["GOOGLE_APPLICATION_CREDENTIALS"];

pub(super) fn open(config: &StorageConfig, place: Place<'_>) -> Result<GoogleCloudStorage, OpenError> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(place.bucket)
        .with_client_options(place.client)
        .with_retry(place.retry);
    if let Some(endpoint) = place.endpoint {
        builder = builder.with_base_url(endpoint.trim_end_matches('/'));
    }
    match &config.credentials_file {
        Some(file) => {
            let path = file.display().to_string();
            builder
                .with_service_account_path(&path)
                .build()
                .map_err(|error| OpenError::of("credentials_file", format!("{path}: {}", words_of(&error))))
        }
        None => {
            for (key, value) in variables(&IDENTITY) {
                builder = builder.with_config(key, value);
            }
            builder.build().map_err(unbuilt)
        }
    }
}
