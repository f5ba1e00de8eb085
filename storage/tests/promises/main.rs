//! What is promised of a storage, over a local folder, over memory and over a bucket.
#![allow(clippy::unwrap_used)]

mod bucket;
mod catalogue;
mod files;
mod quota;
mod relay;
mod shares;
mod stages;
