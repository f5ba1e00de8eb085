//! The log of a task as it grows: one answer that goes on until the task has ended.
//!
//! The worker stores its log each second, so whoever follows looks there as often; where nobody follows, nothing is looked at.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use model::{TaskId, TaskState};
use storage::{OwnerFiles, StorageError};
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::{
    caught_up,
    problem::Problem,
    task_log_lines::{Place, log_files, place_of, read},
};
use crate::{caller::Caller, pod::Pod, user_permits::UserPermit};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// So often a log that cannot be read is looked for after its task has ended.
const MOST_FAILURES: u32 = 30;
/// A worker that is told of a cancellation may say a last thing so much later.
const AFTER_CANCELLATION: Duration = Duration::from_secs(5);
const CONTENT_TYPE: &str = "application/jsonl";

/// Somebody who follows a log.
struct Follower {
    pod: Pod,
    caller: Caller,
    task: TaskId,
    files: OwnerFiles,
    /// What they were sent last.
    after: Option<Place>,
    /// Only so many of the lines that are there at first.
    tail: Option<usize>,
    /// The files of the log and their sizes when they were last read.
    seen: Option<Vec<(u32, u64)>>,
    /// When something was sent last.
    sent: Instant,
    has_ended: bool,
    /// When a cancellation was seen.
    cancelled: Option<Instant>,
    failures: u32,
    /// It counts as one of the user's connections.
    _permit: UserPermit,
}

/// Sends the lines after a place, and then each as it is said, a JSON object a line; an empty line now and then says that the
/// connection lives. It ends after the task's last line, with the token, or with the pod: ask again with the last line's place.
pub(super) fn follow(
    pod: Pod,
    caller: Caller,
    task: TaskId,
    after: Option<Place>,
    tail: Option<usize>,
) -> Result<Response, Problem> {
    let permit = caller.connection_permit(&pod)?;
    let files = caller.files(&pod);
    let follower = Follower {
        pod,
        caller,
        task,
        files,
        after,
        tail,
        seen: None,
        sent: Instant::now(),
        has_ended: false,
        cancelled: None,
        failures: 0,
        _permit: permit,
    };
    let lines = stream::unfold(follower, |mut follower| async move {
        let bytes = follower.next().await?;
        follower.sent = Instant::now();
        Some((Ok::<_, Infallible>(bytes), follower))
    });
    let mut response = Body::from_stream(lines).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl Follower {
    /// What to send next; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.has_ended && self.caller.require_unexpired().is_ok() {
            // Asked before the log is read: the whole of it is stored before the end is told.
            let is_over = self.is_over().await;
            match self.new_lines(is_over).await {
                Ok(text) => {
                    self.failures = 0;
                    self.has_ended = is_over;
                    if !text.is_empty() {
                        return Some(text.into());
                    }
                }
                // Tried again, also at the end: what was said last is not left out.
                Err(problem) => {
                    warn!(task = %self.task, reason = problem.detail(), "a log that is followed cannot be read now");
                    self.failures += 1;
                    self.has_ended = is_over && self.failures >= MOST_FAILURES;
                }
            }
            if !self.has_ended {
                tokio::select! {
                    () = sleep(PAUSE) => {}
                    () = self.pod.draining.cancelled() => return None,
                }
                if self.sent.elapsed() >= self.pod.config.heartbeat {
                    return Some(Bytes::from_static(b"\n"));
                }
            }
        }
        None
    }

    /// True once the task has ended, or is so old that no list has it.
    async fn is_over(&mut self) -> bool {
        let dispatch = &self.caller.environment.dispatch;
        let look = || dispatch.find_task(self.caller.recipient.clone(), self.task);
        match caught_up::find(dispatch, look).await {
            Ok(Some(task)) if task.state == TaskState::Cancelled => {
                self.cancelled.get_or_insert_with(Instant::now).elapsed() >= AFTER_CANCELLATION
            }
            Ok(task) => task.is_none_or(|task| task.state.is_end()),
            Err(_) => false,
        }
    }

    async fn new_lines(&mut self, is_over: bool) -> Result<String, Problem> {
        let mut log = log_files(&self.files, self.task).await?;
        // Of earlier attempts nothing more is said.
        log.retain(|(attempt, _)| self.after.is_none_or(|(after, _)| *attempt >= after));
        let mut sizes = Vec::with_capacity(log.len());
        for (attempt, key) in &log {
            let size = match self.files.size(key).await {
                // It expired in this moment.
                Err(StorageError::NotFound(_)) => 0,
                size => size?,
            };
            sizes.push((*attempt, size));
        }
        if !is_over && self.seen.as_ref() == Some(&sizes) {
            return Ok(String::new());
        }
        let mut lines = read(&self.files, log).await?;
        self.seen = Some(sizes);
        lines.retain(|line| self.after.is_none_or(|after| place_of(line) > after));
        if let Some(tail) = self.tail.take() {
            lines.drain(..lines.len().saturating_sub(tail));
        }
        self.after = lines.last().map(place_of).or(self.after);
        Ok(lines.iter().filter_map(|line| serde_json::to_string(line).ok()).map(|line| line + "\n").collect())
    }
}
