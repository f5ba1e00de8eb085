//! What is delivered: by a real mail server and a real receiver of webhooks.
#![allow(clippy::unwrap_used)]

mod mail;
mod receivers;
mod scene;
mod settings;
mod webhooks;
