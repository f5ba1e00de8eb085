//! What Kubernetes' horizontal autoscaler decides, so that scaling can be rehearsed with processes on one machine.
//!
//! [`proposal`]: the replicas that a metric asks for; [`autoscaler`]: how far and how soon it goes there.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod autoscaler;
pub mod proposal;
