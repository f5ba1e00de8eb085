//! What programs and pages ask for over HTTP.
//!
//! - [`publish`]: events; [`files`]: uploads and results; [`functions`]: what can be started
//! - [`tasks`]: started, listed, seen and cancelled; [`task_routes`]: the same over HTTP
//! - [`approvals`]: what workflows ask people, and their answers
//! - [`openapi`]: all of it described; [`page`], [`dev_token`]: the page, and tokens for it in `bellwire dev`
//! - [`problem`]: what goes wrong, as an answer; [`parameters`]: a request's query

pub mod approvals;
pub mod dev_token;
pub mod files;
pub mod functions;
pub mod openapi;
pub mod page;
pub mod parameters;
pub mod problem;
pub mod publish;
pub mod task_routes;
pub mod tasks;
