//! Delivers what a task has made to others than its owner: as a toast with a link, by mail, to a webhook.
//!
//! In order of flow:
//!
//! - [`recipients`]: whom a definition names
//! - [`settings`]: `[delivery]`, `[mail]` and `[[webhook]]`, read when a worker starts; [`link`]: the address of a file for people
//!   who have only a mail
//! - [`parcel`]: what is delivered
//! - [`deliver`]: to each recipient in turn; `outcome`: how that went; [`ledger`]: who has it already, whatever becomes of the worker
//! - `mail`: messages, and the server that takes them; `webhook`: signed requests; `secret`: what both have in files

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod deliver;
pub mod ledger;
pub mod link;
mod mail;
mod outcome;
pub mod parcel;
pub mod recipients;
mod secret;
pub mod settings;
mod webhook;

pub use deliver::{Delivered, Delivery, Undelivered};
pub use ledger::Ledger;
pub use mail::config::MailConfig;
pub use parcel::Parcel;
pub use recipients::Recipients;
pub use webhook::WebhookConfig;
