//! Which pod serves a client's request: this one, or over the relay the one that holds the client.

use std::time::Duration;

use bytes::Bytes;

use super::{
    home::serve,
    relay::HEARD,
    request::{Reply, Request, What, is_only_pings},
};
use crate::{api::problem::Problem, caller::Caller, pod::Pod};

/// How long to look for a stream that holds a client before it is taken for one that will poll: some say their
/// handshake before they poll for the first time, and where the stream is only its holder knows.
const LOOKING: Duration = Duration::from_millis(500);
/// How long what a client says may take to be done.
const DOING: Duration = Duration::from_secs(30);

/// What a client says.
pub(super) async fn post(pod: &Pod, caller: Caller, request: Request) -> Result<Reply, Problem> {
    if let What::Post(bytes) = &request.what
        && is_only_pings(bytes)
    {
        return Ok(Reply::Done);
    }
    if pod.held().find(&request.token.id).is_some() {
        return Ok(serve(pod, caller, request, false).await);
    }
    if pod.home().is_over(&request.token.id) {
        return Ok(Reply::Gone);
    }
    let relay = caller.gate.relay.clone();
    if request.token.age() >= pod.config().handshake_timeout {
        return Ok(relay.ask(None, request, HEARD, DOING).await?.unwrap_or(Reply::Gone));
    }
    let is_home = request.token.home == *pod.id();
    match relay.ask(None, request.clone(), LOOKING, DOING).await {
        Ok(Some(reply)) => return Ok(reply),
        // Nobody but this pod could begin it, so it does.
        Err(problem) if !is_home => return Err(problem),
        Ok(None) | Err(_) => {}
    }
    if is_home {
        return Ok(serve(pod, caller, request, true).await);
    }
    let home = request.token.home.clone();
    Ok(relay.ask(Some(&home), request, HEARD, DOING).await?.unwrap_or(Reply::Gone))
}

/// A client polls: its home answers, and nobody else.
pub(super) async fn poll(pod: &Pod, caller: Caller, request: Request) -> Result<Reply, Problem> {
    let home = request.token.home.clone();
    let reply = if home == *pod.id() {
        serve(pod, caller, request, true).await
    } else {
        let relay = caller.gate.relay.clone();
        let asked = relay.ask(Some(&home), request, HEARD, pod.config().poll_timeout);
        tokio::select! {
            biased;
            reply = asked => reply?.unwrap_or(Reply::Gone),
            // This pod stops and its home may not: the next poll comes by way of another.
            () = pod.draining().cancelled() => Reply::Messages { is_text: true, bytes: Bytes::new() },
        }
    };
    if matches!(reply, Reply::Gone) {
        pod.home().put_off().await;
    }
    Ok(reply)
}

/// A client ends its connection.
pub(super) async fn delete(pod: &Pod, caller: Caller, request: Request) -> Result<Reply, Problem> {
    if pod.held().find(&request.token.id).is_some() {
        return Ok(serve(pod, caller, request, false).await);
    }
    if pod.home().is_over(&request.token.id) {
        return Ok(Reply::Gone);
    }
    let relay = caller.gate.relay.clone();
    Ok(relay.ask(None, request, HEARD, DOING).await?.unwrap_or(Reply::Gone))
}
