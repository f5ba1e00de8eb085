//! A bucket of S3, or of a server that speaks as it does.

use std::{path::Path, sync::Arc};

use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential};
use process::ExposeSecret;

use super::{
    keys_file::KeysFile,
    place::{Place, unbuilt, variables},
};
use crate::address::{OpenError, StorageConfig};

/// The variables of AWS by which a bucket's region is known, and by which a pod or a machine is.
const REGION: [&str; 2] = ["AWS_DEFAULT_REGION", "AWS_REGION"];
const IDENTITY: [&str; 10] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

pub(super) fn open(config: &StorageConfig, place: Place<'_>) -> Result<AmazonS3, OpenError> {
    let mut builder =
        AmazonS3Builder::new().with_bucket_name(place.bucket).with_client_options(place.client).with_retry(place.retry);
    for (key, value) in variables(&REGION) {
        builder = builder.with_config(key, value);
    }
    if let Some(region) = &config.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = place.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    builder = match (&config.credentials_file, &config.access_key_id, &config.secret_access_key) {
        (Some(_), Some(_), _) => {
            return Err(OpenError::of("credentials_file", "it is set together with access_key_id; set one of them"));
        }
        (Some(file), None, _) => builder.with_credentials(Arc::new(keys_in(file)?)),
        (None, Some(id), Some(secret)) => builder.with_access_key_id(id).with_secret_access_key(secret.expose_secret()),
        (None, Some(_), None) => return Err(OpenError::of("secret_access_key", "access_key_id needs it")),
        (None, None, Some(_)) => return Err(OpenError::of("access_key_id", "secret_access_key needs it")),
        (None, None, None) => {
            variables(&IDENTITY).into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value))
        }
    };
    builder.build().map_err(unbuilt)
}

fn keys_in(file: &Path) -> Result<KeysFile<AwsCredential>, OpenError> {
    KeysFile::open(file, |text| {
        let mut keys = AwsCredential { key_id: String::new(), secret_key: String::new(), token: None };
        let mut is_default = true;
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                is_default = line == "[default]";
            }
            let Some((name, value)) = line.split_once('=').filter(|_| is_default) else { continue };
            match name.trim() {
                "aws_access_key_id" => keys.key_id = value.trim().to_owned(),
                "aws_secret_access_key" => keys.secret_key = value.trim().to_owned(),
                "aws_session_token" => keys.token = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        match keys.key_id.is_empty() || keys.secret_key.is_empty() {
            true => Err("it has no aws_access_key_id and aws_secret_access_key under [default]".to_owned()),
            false => Ok(keys),
        }
    })
}
