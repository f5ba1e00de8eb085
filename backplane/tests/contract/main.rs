//! What a backplane promises, said once and run over memory and RabbitMQ; and what the real broker does.
//!
//! - `world`: a fresh backplane of either kind; `given`: what tests say; `expect`: waiting with a deadline
//! - `log`, `jobs`, `dead`, `words`: the promises, over both
//! - `broker`: the broker these tests are given, and what its operator can do to it; `relay`: a way to it that can be cut
//! - `healing`, `streams`, `publishing`, `buried`, `roles`: over RabbitMQ alone
//!
//! What changes the whole broker (an alarm) is a program of its own, so that it runs beside no other.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod broker;
mod buried;
mod control;
mod dead;
mod expect;
mod given;
mod healing;
mod jobs;
mod log;
mod publishing;
mod relay;
mod roles;
mod streams;
mod world;
