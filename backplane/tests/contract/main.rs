//! What a backplane promises, said once and run over memory and RabbitMQ; and what the real broker does.
//!
//! - `world`: a fresh backplane of either kind; `expect`: waiting with a deadline
//! - `log`, `jobs`, `words`: the promises, over both
//! - `broker`: the broker these tests are given, and what its operator can do to it; `relay`: a way to it that can be cut
//! - `healing`, `streams`, `publishing`, `alarm`, `roles`: over RabbitMQ alone

#![allow(clippy::unwrap_used, unreachable_pub)]

mod broker;
mod expect;
mod healing;
mod jobs;
mod log;
mod relay;
mod streams;
mod words;
mod world;
