//! Access tokens: JWTs for one environment and worthless in every other, signed with its secret or by an identity provider.
//!
//! In order of flow:
//!
//! - [`jwt`]: a token's parts, unverified; [`selection`]: the environment that it is for
//! - [`key`]: the keys of an environment, which verify it; [`provider`]: those of an identity provider, kept by
//!   [`key_refresh`], read by [`fetch`], as a [`key_set`] of [`public_key`]s
//! - [`claim_rules`]: what its claims must be; `claim_values`: how they are written; [`claims`]: the rights that it gives
//! - [`error`]: why it is refused; [`refusal_log`]: one log line for many refusals
//! - [`internal_key`]: signs what is no access token

pub mod claim_rules;
mod claim_values;
pub mod claims;
pub mod error;
pub mod fetch;
pub mod internal_key;
pub mod jwt;
pub mod key;
pub mod key_refresh;
pub mod key_set;
pub mod provider;
pub mod public_key;
pub mod refusal_log;
pub mod selection;

pub use claim_rules::ClaimRules;
pub use claims::Claims;
pub use error::TokenError;
pub use internal_key::InternalKey;
pub use jwt::Jwt;
pub use key::Key;
pub use provider::Provider;
