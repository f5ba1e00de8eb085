//! The HTTP API for programs and pages.
//!
//! In order of a request: [`content_encoding`] inflates its body, [`request`] reads its path, query and body, [`problem`] is
//! the answer when it fails. Then:
//!
//! - [`publish`]: publishes events, which [`event_request`] reads; [`event_stream`]: sends them to a client as they come
//! - [`files`]: uploads and results; [`functions`]: the functions that can be started, kept by [`function_cache`]
//! - [`tasks`]: starts (`new_task`), lists, shows and cancels tasks, as `task_view` has them; `task_terms`: their priority and what makes them
//!   unique, which `task_claim` claims; [`task_routes`]: the same over HTTP; [`task_log`]: what they have said, and `task_log_stream`: as they
//!   say it; `task_log_lines`: where that lies
//! - [`run_files`]: the files of a workflow's run, also as one archive
//! - [`shared_file`]: files of others that they share with the caller
//! - [`schedules`]: what starts by itself, paused and started now
//! - `download`: the answer with a file, or with a link to it
//! - [`approvals`]: the questions that workflows ask people, and their answers; [`asked_file`]: what they are about
//! - `caught_up`: finds what this pod may not have heard of yet
//! - [`openapi`]: the description of the API; [`page`] and [`dev_token`]: the page, and tokens for it in `bellwire dev`

pub mod approvals;
pub mod asked_file;
mod caught_up;
pub mod content_encoding;
pub mod dev_token;
mod download;
pub mod event_request;
pub mod event_stream;
pub mod files;
pub mod function_cache;
pub mod functions;
pub mod new_task;
pub mod openapi;
pub mod page;
pub mod problem;
pub mod publish;
mod publish_spans;
pub mod request;
pub mod run_files;
pub mod schedules;
pub mod shared_file;
mod task_claim;
pub mod task_log;
mod task_log_lines;
mod task_log_stream;
pub mod task_routes;
pub(crate) mod task_terms;
pub mod task_view;
pub mod tasks;
