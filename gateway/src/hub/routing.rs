//! Routes a client's request to the pod that holds it: this one, or another over the control exchange. Starts the sessions
//! of clients that poll.

use std::time::Duration;

use bytes::Bytes;

use super::{
    peer_message::ACCEPT_TIMEOUT,
    polling,
    registry::ClientHandle,
    request::{ClientRequest, Operation, Reply, is_only_pings},
    session::{Session, StartPosition},
};
use crate::{
    api::problem::Problem,
    caller::Caller,
    pod::{Pod, TOO_MANY_CONNECTIONS},
};

/// The time to look for the stream of a client before it is taken for one that will poll: some send their handshake
/// before they poll for the first time, and only the pod with the stream knows of it.
const STREAM_LOOKUP_TIMEOUT: Duration = Duration::from_millis(500);
/// The time another pod may take to handle a client's messages.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Routes messages of a client.
pub(super) async fn post(pod: &Pod, caller: Caller, request: ClientRequest) -> Result<Reply, Problem> {
    if let Operation::Post(bytes) = &request.operation
        && is_only_pings(bytes)
        && pod.clients.find(&request.token.id).is_none()
    {
        return Ok(Reply::Done);
    }
    if pod.clients.find(&request.token.id).is_some()
        || pod.poll_sessions.has_ended(&request.token.id)
        || request.token.age() >= pod.config.handshake_timeout
    {
        return existing(pod, caller, request).await;
    }
    let peers = caller.environment.peers.clone();
    let is_own = request.token.pod == pod.id;
    match peers.request(None, request.clone(), STREAM_LOOKUP_TIMEOUT, REQUEST_TIMEOUT).await {
        Ok(Some(reply)) => return Ok(reply),
        // Its polls can only start on this pod, so they do.
        Err(problem) if !is_own => return Err(problem),
        Ok(None) | Err(_) => {}
    }
    if is_own {
        return Ok(serve(pod, caller, request, true).await);
    }
    let owner = request.token.pod.clone();
    Ok(peers.request(Some(&owner), request, ACCEPT_TIMEOUT, REQUEST_TIMEOUT).await?.unwrap_or(Reply::Gone))
}

/// Routes a poll to the pod that is named in the client's token, and to no other.
pub(super) async fn poll(pod: &Pod, caller: Caller, request: ClientRequest) -> Result<Reply, Problem> {
    let owner = request.token.pod.clone();
    let (environment, user) = (caller.environment.clone(), caller.claims.sub.clone());
    let reply = if owner == pod.id {
        serve(pod, caller, request, true).await
    } else {
        let peers = caller.environment.peers.clone();
        let polled = peers.request(Some(&owner), request, ACCEPT_TIMEOUT, pod.config.poll_timeout);
        tokio::select! {
            biased;
            reply = polled => reply?.unwrap_or(Reply::Gone),
            // This pod stops and the other may not: the next poll reaches it by way of another.
            () = pod.draining.cancelled() => Reply::Messages { is_text: true, bytes: Bytes::new() },
        }
    };
    if matches!(reply, Reply::Gone) {
        pod.poll_sessions.delay_refusal(&environment.name, &user).await;
    }
    Ok(reply)
}

/// Routes a request to a client that exists already, wherever it is held.
pub(super) async fn existing(pod: &Pod, caller: Caller, request: ClientRequest) -> Result<Reply, Problem> {
    if pod.clients.find(&request.token.id).is_some() {
        return Ok(serve(pod, caller, request, false).await);
    }
    if pod.poll_sessions.has_ended(&request.token.id) {
        return Ok(Reply::Gone);
    }
    let peers = caller.environment.peers.clone();
    Ok(peers.request(None, request, ACCEPT_TIMEOUT, REQUEST_TIMEOUT).await?.unwrap_or(Reply::Gone))
}

/// Serves a request of a client that is held on this pod. If `may_start`, a client whose token is new and that is not held here starts to poll this pod.
pub(super) async fn serve(pod: &Pod, caller: Caller, request: ClientRequest, may_start: bool) -> Reply {
    match find_or_start(pod, caller, &request, may_start).await {
        Ok(client) => client.request(request.operation, request.claims).await,
        Err(reply) => reply,
    }
}

async fn find_or_start(
    pod: &Pod,
    caller: Caller,
    request: &ClientRequest,
    may_start: bool,
) -> Result<ClientHandle, Reply> {
    let id = request.token.id;
    if !may_start || request.token.age() >= pod.config.handshake_timeout {
        return pod.clients.find(&id).ok_or(Reply::Gone);
    }
    let after = StartPosition::read(request.after.as_deref()).map_err(|_| Reply::Gone)?;
    let (client, lease) = pod.clients.find_or_register(id);
    if let Some(lease) = lease {
        if pod.poll_sessions.has_ended(&id) {
            return Err(Reply::Gone);
        }
        let session =
            Session::new(pod, caller, after).map_err(|problem| match problem.has_code(TOO_MANY_CONNECTIONS) {
                true => Reply::TooManyConnections(problem.to_string()),
                false => Reply::Unavailable(problem.to_string()),
            })?;
        let session = Box::pin(polling::run(session, lease));
        pod.poll_sessions.spawn(session).await.map_err(Reply::Unavailable)?;
    }
    Ok(client)
}
