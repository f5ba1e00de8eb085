//! A connection of HTTP/1.1: hyper serves its requests, until one is taken from it.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::http::{Request, StatusCode};
use bytes::Bytes;
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioTimer, service::TowerToHyperService};
use tokio::{io::AsyncReadExt, time::timeout};
use tracing::{Instrument, debug};

use super::{
    client::Client,
    client_socket::ClientSocket,
    http1_socket::{Http1Socket, LARGEST_HEAD},
};
use crate::{
    sockets::{OpenSocket, RequestUse},
    write::{
        socket::Socket,
        takeover::{Handler, Takeover},
    },
};

/// The bytes that a client may still send of a request that was refused, and the time.
const MAX_REFUSED: usize = 1 << 20;
const REFUSED_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves requests to the end of the connection, or until a handler takes it.
pub(super) async fn serve(
    socket: ClientSocket,
    place: &OpenSocket,
    client: Client,
) -> Option<(Handler, Socket, Bytes)> {
    let takeover = Takeover::default();
    let pod = client.pod.clone();
    let service = {
        let (routes, takeover) = (TowerToHyperService::new(client.routes.clone()), takeover.clone());
        let stopping = pod.stopping.clone();
        service_fn(move |mut request: Request<Incoming>| {
            let (request_use, span) = client.prepare(&mut request, takeover.clone());
            let (response, stopping) = (routes.call(request).instrument(span), stopping.clone());
            async move {
                let mut response = response.await?;
                // The client is told before the connection is closed: its next request could cross with that. What waits
                // for a request is kept until the pod accepts no more.
                if stopping.is_cancelled() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response.map(|body| AnswerBody { body, request_use }))
            }
        })
    };
    let mut http = http1::Builder::new();
    // hyper has one limit for a head and for the wait before it.
    http.max_buf_size(LARGEST_HEAD)
        .max_header_size(LARGEST_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(pod.config.keep_alive);
    let mut http = http.serve_connection(Http1Socket::new(socket, takeover.clone()), service);
    let mut is_draining = false;
    let mut draining = Box::pin(pod.draining.clone().cancelled_owned());
    let ended = poll_fn(|cx| {
        if place.as_use().must_close(cx) {
            return Poll::Ready(None);
        }
        if !is_draining && draining.as_mut().poll(cx).is_ready() {
            is_draining = true;
            Pin::new(&mut http).graceful_shutdown();
        }
        match Pin::new(&mut http).poll(cx) {
            Poll::Pending if takeover.is_due() => Poll::Ready(Some(Ok(()))),
            other => other.map(Some),
        }
    });
    match ended.await {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            debug!(%error, "a connection broke");
            if error.is_parse_too_large() {
                linger(http.into_parts().io.into_inner()).await;
            }
            return None;
        }
        None => {
            debug!("a connection made room for others");
            return None;
        }
    }
    let handler = takeover.take()?;
    // From here on it counts as a connection of its user, until its end.
    if !place.as_use().take_over() {
        return None;
    }
    let parts = http.into_parts();
    Some((handler, parts.io.into_inner().into_socket(), parts.read_buf))
}

/// Reads on for a moment after a refusal: closing with something unread would reset the connection before the client has
/// read why.
async fn linger(mut socket: ClientSocket) {
    let discard = async {
        let (mut discarded, mut bytes) = (0, [0; 4096]);
        while discarded < MAX_REFUSED {
            match socket.read(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(count) => discarded += count,
            }
        }
    };
    timeout(REFUSED_TIMEOUT, discard).await.ok();
}

/// The body of an answer; with its end the socket waits for the next request.
struct AnswerBody {
    body: axum::body::Body,
    request_use: RequestUse,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.request_use.end();
    }
}
