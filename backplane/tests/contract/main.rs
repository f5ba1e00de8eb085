//! The contract of a backplane, run over memory and RabbitMQ; and the behaviour of the real broker.
//!
//! - `world`: a fresh backplane of either kind; `fixtures`: events and jobs; `expect`: waiting with a deadline
//! - `log`, `jobs`, `fairness`, `dead`, `control`, `lease`: the contract, over both
//! - `broker`: the broker these tests are given, and what its operator can do to it; `proxy`: a way to it that can be cut
//! - `messages`: events as other people's programs send them; `reconnecting`, `giving_up`, `streams`, `publishing`, `dead_letters`, `lanes`, `moving`, `roles`, `tls`: over RabbitMQ alone
//!
//! What changes the whole broker (an alarm) is a program of its own, so that it runs beside no other.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod broker;
mod control;
mod dead;
mod dead_letters;
mod expect;
mod fairness;
mod fixtures;
mod giving_up;
mod jobs;
mod lanes;
mod lease;
mod log;
mod messages;
mod moving;
mod network_proxy;
mod priorities;
mod publishing;
mod reconnecting;
mod roles;
mod streams;
mod tls;
mod world;
