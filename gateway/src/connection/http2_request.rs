//! One request of a connection of HTTP/2, from its head to the end of its answer or to whoever takes its stream.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header,
        request::Parts, uri::PathAndQuery,
    },
    response::IntoResponse,
};
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http_body_util::BodyExt;
use hyper::{
    body::{Body as _, Frame},
    service::Service,
};
use hyper_util::service::TowerToHyperService;
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use tokio::time::timeout;
use tracing::{Instrument, debug};

use super::{
    client::Client,
    http1_socket::{LARGEST_HEAD, MOST_HEADERS, head_too_large},
};
use crate::{
    sockets::RequestUse,
    write::{
        http2_stream::Http2Stream,
        socket::Socket,
        takeover::{Handler, Takeover},
    },
};

/// Headers that are of a connection of HTTP/1.1 alone.
const OF_HTTP1: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With an answer, or a part of one.
    Answered,
    /// The client took it back before.
    TakenBack,
}

/// Answers a request.
pub(super) async fn answer(request: Request<RecvStream>, respond: SendResponse<Bytes>, client: Client) -> Outcome {
    // In a box of its own: a stream that was taken over has no room for it.
    let answered = Box::pin(respond_to(request, respond, client)).await;
    match answered {
        Answered::Fully(outcome) => outcome,
        Answered::TakenOver { handler, stream, in_use } => {
            handler(Socket::Http2(stream), Bytes::new()).await;
            drop(in_use);
            Outcome::Answered
        }
    }
}

enum Answered {
    Fully(Outcome),
    TakenOver { handler: Handler, stream: Box<Http2Stream>, in_use: InUse },
}

/// A request's use of its socket, until dropped.
struct InUse(RequestUse);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.end();
    }
}

async fn respond_to(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, client: Client) -> Answered {
    let is_head = request.method() == Method::HEAD;
    let expects_continue = request
        .headers()
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let silence = client.pod.config.body_silence;
    let takeover = Takeover::default();
    let (parts, body) = request.into_parts();
    let (response, in_use) = if is_too_large(&parts) {
        (head_too_large().into_response(), None)
    } else {
        if expects_continue {
            let mut go_on = Response::new(());
            *go_on.status_mut() = StatusCode::CONTINUE;
            // Without it the client sends its body a little later.
            respond.send_informational(go_on).ok();
        }
        let mut request = Request::from_parts(as_http1(parts), Body::new(RequestBody(body)));
        let (request_use, span) = client.prepare(&mut request, takeover.clone());
        let in_use = InUse(request_use);
        let response = TowerToHyperService::new(client.routes).call(request).instrument(span);
        let response = tokio::select! {
            biased;
            _ = poll_fn(|cx| respond.poll_reset(cx)) => return Answered::Fully(Outcome::TakenBack),
            Ok(response) = response => response,
        };
        (response, Some(in_use))
    };
    let goes_elsewhere = client.goes_elsewhere;
    drop(client.pod);
    let (mut parts, body) = response.into_parts();
    set_headers(&mut parts.headers, parts.status, &body);
    let handler = takeover.take();
    let is_whole = handler.is_none() && (is_head || body.is_end_stream());
    let mut head = Response::new(());
    (*head.status_mut(), *head.headers_mut()) = (parts.status, parts.headers);
    let mut stream = match respond.send_response(head, is_whole) {
        Ok(stream) => stream,
        Err(error) => {
            debug!(%error, "an answer could not be sent");
            return Answered::Fully(Outcome::TakenBack);
        }
    };
    drop(respond);
    if let (Some(handler), Some(in_use)) = (handler, in_use) {
        return Answered::TakenOver { handler, stream: Box::new(Http2Stream::new(stream, goes_elsewhere)), in_use };
    }
    if !is_whole && let Err(reason) = send_body(body, &mut stream, silence).await {
        stream.send_reset(reason);
    }
    Answered::Fully(Outcome::Answered)
}

/// What HTTP/1.1 has no room for is refused here as there, and in words.
fn is_too_large(parts: &Parts) -> bool {
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let line = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    // Browsers send each cookie in a line of its own.
    parts.headers.keys_len() > MOST_HEADERS || line + headers.sum::<usize>() > LARGEST_HEAD
}

/// The head as HTTP/1.1 has it, and so the routes: the authority is the host, and the address begins with its path.
fn as_http1(mut parts: Parts) -> Parts {
    if let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(header::HOST, host);
    }
    if let Some(path) = parts.uri.path_and_query().cloned() {
        parts.uri = Uri::from(path);
    } else {
        parts.uri = Uri::from(PathAndQuery::from_static("*"));
    }
    parts.version = Version::HTTP_2;
    parts
}

fn set_headers(headers: &mut HeaderMap, status: StatusCode, body: &Body) {
    for name in OF_HTTP1 {
        headers.remove(name);
    }
    if let Some(length) = body.size_hint().exact()
        && !headers.contains_key(header::CONTENT_LENGTH)
        && !status.is_informational()
        && ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
    {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now());
    if let Some(date) = date.ok().and_then(|date| HeaderValue::try_from(date).ok()) {
        headers.entry(header::DATE).or_insert(date);
    }
}

/// Sends a body as the client takes it; the reason of a reset if it cannot be sent whole.
async fn send_body(mut body: Body, stream: &mut SendStream<Bytes>, silence: Duration) -> Result<(), Reason> {
    loop {
        let frame = tokio::select! {
            biased;
            _ = poll_fn(|cx| stream.poll_reset(cx)) => return Ok(()),
            frame = body.frame() => frame,
        };
        let data = match frame {
            None => return stream.send_data(Bytes::new(), true).map_err(|_| Reason::CANCEL),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => {
                debug!(%error, "an answer has broken off");
                return Err(Reason::INTERNAL_ERROR);
            }
        };
        send(data, stream, silence).await?;
    }
}

async fn send(mut data: Bytes, stream: &mut SendStream<Bytes>, silence: Duration) -> Result<(), Reason> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        if stream.capacity() == 0 {
            let capacity = timeout(silence, poll_fn(|cx| stream.poll_capacity(cx)));
            if !matches!(capacity.await, Ok(Some(Ok(_)))) {
                return Err(Reason::CANCEL);
            }
        }
        let part = data.split_to(stream.capacity().min(data.len()));
        stream.send_data(part, false).map_err(|_| Reason::CANCEL)?;
    }
    Ok(())
}

/// A request's body; the client may send more once something was read.
struct RequestBody(RecvStream);

impl hyper::body::Body for RequestBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let data = ready!(self.0.poll_data(cx));
        if let Some(Ok(data)) = &data {
            self.0.flow_control().release_capacity(data.len())?;
        }
        Poll::Ready(data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}
