//! Where the files are: what differs between a local folder and a bucket.

use std::{path::Path as LocalPath, sync::Arc};

use object_store::Attributes;

use crate::cloud::{Bucket, attributes};

/// Bytes of a part, of which an upload holds three at most.
const PART: usize = 1024 * 1024;
/// S3 and Google take no smaller part but the last, and 10,000 of them.
const PART_OF_BUCKET: usize = 5 * 1024 * 1024;

/// Where a storage's files are; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Medium {
    /// In this process, or where a test has put them.
    Process,
    /// In a folder.
    Folder(Arc<LocalPath>),
    /// In a bucket.
    Bucket(Arc<Bucket>),
}

impl Medium {
    /// The folder.
    pub(crate) fn folder(&self) -> Option<&LocalPath> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Process | Self::Bucket(_) => None,
        }
    }

    /// The bucket.
    pub(crate) fn bucket(&self) -> Option<&Arc<Bucket>> {
        match self {
            Self::Bucket(bucket) => Some(bucket),
            Self::Process | Self::Folder(_) => None,
        }
    }

    /// Size of an upload's parts in bytes.
    pub(crate) fn part(&self) -> usize {
        self.bucket().map_or(PART, |_| PART_OF_BUCKET)
    }

    /// What is stored beside a file of this name.
    pub(crate) fn attributes(&self, name: &str) -> Attributes {
        self.bucket().map(|_| attributes(name)).unwrap_or_default()
    }
}
