//! Files that others than their owner may read: a record for each, which names the file and its readers.

use std::time::SystemTime;

use data_encoding::HEXLOWER;
use model::Audience;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{error::StorageError, key::FileKey, records::Records};

/// Bytes of a digest that are an id.
const ID_BYTES: usize = 16;

/// What is shared, and with whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The user in whose folder the file lies.
    pub owner: String,
    /// The file.
    pub key: FileKey,
    /// Who may read it besides its owner.
    pub audience: Audience,
}

/// The shared files of one environment; cheap to clone.
#[derive(Clone)]
pub struct Shares(Records);

impl Shares {
    pub(crate) fn new(records: Records) -> Self {
        Self(records)
    }

    /// Shares a file in place of how it was shared before; returns the path of its download, `/api/shared/<id>/<name>`, the same
    /// each time. It can be read for as long as the file is there.
    pub async fn share(&self, share: &Share) -> Result<String, StorageError> {
        let id = id_of(share);
        let json = serde_json::to_vec(share).map_err(|error| StorageError::Failed(error.to_string()))?;
        self.0.put(&id, json.into()).await?;
        Ok(share.key.href().replacen(&format!("/api/files/{}/", share.key.id()), &format!("/api/shared/{id}/"), 1))
    }

    /// The share with this id, whoever asks; none if there is none.
    pub async fn find(&self, id: &str) -> Result<Option<Share>, StorageError> {
        if id.len() != 2 * ID_BYTES || !id.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()) {
            return Ok(None);
        }
        let Some(json) = self.0.read(id).await? else { return Ok(None) };
        let share = serde_json::from_slice(&json).map_err(|error| StorageError::Failed(format!("a share: {error}")))?;
        Ok(Some(share))
    }

    /// Removes what was shared before a time, whose files are gone; returns the number.
    pub async fn remove_older(&self, before: SystemTime) -> Result<u64, StorageError> {
        self.0.remove_older(before).await
    }
}

/// Made of owner and file, so that another attempt at a task shares its file under the same address. It is no secret.
fn id_of(share: &Share) -> String {
    let text = format!("{}\0{}", share.owner, share.key);
    HEXLOWER.encode(&Sha256::digest(text.as_bytes())[..ID_BYTES])
}
