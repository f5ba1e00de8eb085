//! What an environment's gateways sign and its workers verify: whose job it is, and who has answered a question.
//!
//! A gateway knows the user of a request by an access token; a worker knows only what the broker brings, and every worker
//! may write to the broker. So gateways sign with an Ed25519 key that is made from the environment's secret, and workers
//! hold the public half of it alone.
//!
//! - [`key`]: the key pair, and the public keys that are believed
//! - [`text`]: the bytes that are signed
//! - [`grant`]: jobs; [`answer`]: answers to the questions of workflows
//! - [`verifier`]: verifies both for one environment
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answer;
mod grant;
pub mod key;
mod text;
pub mod verifier;

pub use grant::JobFault;
pub use key::{SigningKey, VerifyingKey, VerifyingKeys};
pub use verifier::Verifier;
