//! Serves requests of clients that are held on this pod, and starts the sessions of clients that poll.

use super::{
    polling,
    registry::{ClientHandle, Lease},
    request::{ClientRequest, Reply},
    session::{After, Session},
};
use crate::{caller::Caller, pod::Pod, write::clock::Clock};

/// Serves a request. If `may_start`, a client whose token is new and that is not held here starts to poll this pod.
pub(super) async fn serve(pod: &Pod, caller: Caller, request: ClientRequest, may_start: bool) -> Reply {
    let expires = caller.claims.expires();
    match find_or_start(pod, caller, &request, may_start).await {
        Ok(client) => client.request(request.operation, expires).await,
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
    if !may_start || request.token.age() >= pod.config().handshake_timeout {
        return pod.clients().find(&id).ok_or(Reply::Gone);
    }
    let after = After::read(request.after.as_deref()).map_err(|_| Reply::Gone)?;
    let (client, lease) = pod.clients().find_or_register(id);
    if let Some(lease) = lease {
        if pod.poll_sessions().has_ended(&id) {
            return Err(Reply::Gone);
        }
        start(pod, caller, after, lease).await.map_err(Reply::Unavailable)?;
    }
    Ok(client)
}

async fn start(pod: &Pod, caller: Caller, after: After, lease: Lease) -> Result<(), String> {
    let clock = Clock::new(pod.config(), pod.draining(), caller.claims.expires());
    let session = Session::new(pod, caller, after).map_err(|problem| problem.to_string())?;
    let run = Box::pin(polling::run(session, clock, lease));
    pod.poll_sessions().spawn(run).await.map_err(|stopping| stopping.to_string())
}
