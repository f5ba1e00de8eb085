//! A container of Azure's Blob Storage.

use std::sync::Arc;

use object_store::azure::{AzureAccessKey, AzureCredential, MicrosoftAzure, MicrosoftAzureBuilder};
use process::ExposeSecret;

use super::{
    keys_file::KeysFile,
    place::{Place, unbuilt, variables},
};
use crate::address::{OpenError, StorageConfig};

/// The variables of Azure by which an account is known, and by which a pod or a machine is.
const ACCOUNT: [&str; 1] = ["AZURE_STORAGE_ACCOUNT_NAME"];
const IDENTITY: [&str; 6] = [
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
];

pub(super) fn open(config: &StorageConfig, place: Place<'_>) -> Result<MicrosoftAzure, OpenError> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_container_name(place.bucket)
        .with_client_options(place.client)
        .with_retry(place.retry);
    let named = variables(&ACCOUNT);
    if config.account.is_none() && named.is_empty() {
        return Err(OpenError::of("account", "name the storage account whose container it is"));
    }
    for (key, value) in named {
        builder = builder.with_config(key, value);
    }
    if let Some(account) = &config.account {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = place.endpoint {
        builder = builder.with_endpoint(endpoint.to_owned());
    }
    builder = match (&config.credentials_file, &config.secret_access_key) {
        (Some(file), _) => builder.with_credentials(Arc::new(KeysFile::open(file, |text| key(text.trim()))?)),
        (None, Some(secret)) => {
            key(secret.expose_secret()).map_err(|reason| OpenError::of("secret_access_key", reason))?;
            builder.with_access_key(secret.expose_secret())
        }
        (None, None) => {
            variables(&IDENTITY).into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value))
        }
    };
    builder.build().map_err(unbuilt)
}

fn key(text: &str) -> Result<AzureCredential, String> {
    match AzureAccessKey::try_new(text) {
        Ok(key) if !text.is_empty() => Ok(AzureCredential::AccessKey(key)),
        _ => Err("it is no key of a storage account, which is base64".to_owned()),
    }
}
