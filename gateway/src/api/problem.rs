//! Errors as answers: RFC 9457 problem details, made in one place.

use std::fmt;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use backplane::SendError;
use model::EventError;
use serde::Serialize;
use storage::{InvalidKey, StorageError};
use tracing::{error, warn};
use utoipa::ToSchema;

use crate::dispatch::{
    command::{SubscribeError, seconds},
    handle::DispatcherEnded,
};

/// The code of the problem of a body whose encoding is not understood.
pub const UNKNOWN_ENCODING: &str = "content-encoding";

const TYPE_PREFIX: &str = "urn:bellwire:problem:";

/// An error answer; `application/problem+json`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:bellwire:problem:` and a code for programs, such as `token-expired`.
    #[serde(rename = "type")]
    problem: String,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// The fault, and the part of the request that has it.
    detail: String,
    /// Of a batch, each event that is wrong; twenty at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<EventFault>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// What is wrong with one event of a batch.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EventFault {
    /// Its place in the batch, from 0 on.
    pub event: usize,
    /// The fault, and the part of the event that has it.
    pub detail: String,
}

impl Problem {
    /// A problem of this status, code and detail.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            problem: format!("{TYPE_PREFIX}{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// 400: the request is wrong.
    pub fn bad_request(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 404, also for what belongs to another user.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 503 with `Retry-After`: nothing is lost, and the client may try again.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(2)
    }

    /// The same, with `Retry-After` in seconds.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Returns true if this is its code.
    pub fn has_code(&self, code: &str) -> bool {
        self.problem.strip_prefix(TYPE_PREFIX) == Some(code)
    }

    /// Returns true if the same may succeed later.
    pub fn is_passing(&self) -> bool {
        let passing =
            [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE, StatusCode::INSUFFICIENT_STORAGE];
        passing.iter().any(|status| status.as_u16() == self.status)
    }

    /// The fault, in words.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The same, naming the part of the request.
    pub fn within(mut self, part: &str) -> Self {
        self.detail = format!("{part}: {}", self.detail);
        self
    }

    /// The same, with what is wrong with each event of a batch.
    pub fn of_events(mut self, errors: Vec<EventFault>) -> Self {
        self.errors = errors;
        self
    }

    /// The same, with how much of the request was done before.
    pub fn after(mut self, done: usize, all: usize) -> Self {
        if done > 0 {
            self.detail = format!("{} ({done} of {all} were accepted before)", self.detail);
        }
        self
    }
}

/// Its code and detail in one line, for clients that get no HTTP answer.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.problem.strip_prefix(TYPE_PREFIX).unwrap_or(&self.problem);
        write!(f, "{code}: {}", self.detail)
    }
}

impl From<SubscribeError> for Problem {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::CatchingUp | SubscribeError::Stopping => Self::unavailable(error.to_string()),
            SubscribeError::TooManyReplays(wait) => {
                let detail = "connections of yours come back with a cursor too often, or for too much at once";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-replays", detail).retry_after(seconds(wait))
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::REQUEST_TIMEOUT {
            // What still comes belongs to the request that was given up.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.has_code(UNKNOWN_ENCODING) {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<EventError> for Problem {
    fn from(error: EventError) -> Self {
        match error {
            EventError::TooLarge(_) | EventError::TooManyValues(_) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "event-too-large", error.to_string())
            }
            _ => Self::bad_request("invalid-event", error.to_string()),
        }
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        match &error {
            // While a broker starts its stream is not bound yet: that passes as well.
            SendError::Unavailable(_) | SendError::Full(_) | SendError::Unroutable(_) => {
                warn!(%error, "answered 503");
                Self::unavailable("the broker cannot take it now; nothing was lost, send it again")
            }
            SendError::Invalid(why) => Self::bad_request("invalid", why.clone()),
            // A broker that stops or starts refuses for a moment what it allows; the log line shows which it was.
            SendError::Refused(_) => {
                error!(%error, "answered 503: the broker refuses what the gateway sends");
                Self::unavailable("the broker refuses it now; nothing was lost, send it again")
            }
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match &error {
            StorageError::NotFound(_) => Self::not_found(error.to_string()),
            StorageError::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "file-too-large", error.to_string()),
            StorageError::Full => {
                error!(%error, "answered 507");
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "storage-full", "the storage is full; nothing was kept")
            }
            StorageError::QuotaFull(_) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "quota-full", format!("{error}; nothing was kept"))
            }
            StorageError::Failed(_) => {
                error!(%error, "answered 503");
                Self::unavailable("the file storage cannot be reached now")
            }
        }
    }
}

impl From<InvalidKey> for Problem {
    fn from(error: InvalidKey) -> Self {
        Self::bad_request("invalid-file-key", error.to_string())
    }
}

impl From<DispatcherEnded> for Problem {
    fn from(error: DispatcherEnded) -> Self {
        Self::unavailable(error.to_string())
    }
}
