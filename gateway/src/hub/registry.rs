//! The hub's clients on this pod whose requests come on connections of their own: those of streams and of polls.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::{mpsc, oneshot};

use super::{
    connection_token::HubId,
    request::{Operation, Reply},
};
use crate::{lock::lock, token::Claims};

/// Most requests that wait for one client; clients send the next after the reply to the one before.
const MAX_PENDING_REQUESTS: usize = 8;

/// A command for the task that serves a client.
#[derive(Debug)]
pub enum ClientCommand {
    /// A request of the client.
    Request {
        /// The operation.
        operation: Operation,
        /// The claims of the access token that it came with.
        claims: Claims,
        /// Dropped, if there is no such client, or nothing to poll for.
        reply: oneshot::Sender<Reply>,
    },
    /// End the client, since the reply to a poll was lost on its way.
    Abort,
}

/// Sends commands to the task that serves a client; cheap to clone.
#[derive(Debug, Clone)]
pub struct ClientHandle(mpsc::Sender<ClientCommand>);

impl ClientHandle {
    /// Has a request served.
    pub async fn request(&self, operation: Operation, claims: Claims) -> Reply {
        let (reply, received) = oneshot::channel();
        if self.0.send(ClientCommand::Request { operation, claims, reply }).await.is_err() {
            return Reply::Gone;
        }
        received.await.unwrap_or(Reply::Gone)
    }

    /// Ends the client, if it is still there.
    pub async fn abort(&self) {
        self.0.send(ClientCommand::Abort).await.ok();
    }
}

/// The registered clients; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ClientRegistry(Arc<Mutex<Clients>>);

#[derive(Debug, Default)]
struct Clients {
    by_id: HashMap<HubId, (u64, ClientHandle)>,
    next_lease: u64,
}

/// A client's registration. Its commands arrive here until this is dropped or the client is registered anew.
#[derive(Debug)]
pub struct Lease {
    registry: ClientRegistry,
    pub(super) id: HubId,
    number: u64,
    commands: mpsc::Receiver<ClientCommand>,
}

impl ClientRegistry {
    /// Registers a client; an earlier lease of it gets no more commands.
    pub fn register(&self, id: HubId) -> Lease {
        self.insert(&mut lock(&self.0), id).1
    }

    /// Finds a client, or registers it if it is new.
    pub fn find_or_register(&self, id: HubId) -> (ClientHandle, Option<Lease>) {
        let mut clients = lock(&self.0);
        if let Some((_, handle)) = clients.by_id.get(&id) {
            return (handle.clone(), None);
        }
        let (handle, lease) = self.insert(&mut clients, id);
        (handle, Some(lease))
    }

    /// Finds a client.
    pub fn find(&self, id: &HubId) -> Option<ClientHandle> {
        lock(&self.0).by_id.get(id).map(|(_, handle)| handle.clone())
    }

    fn insert(&self, clients: &mut Clients, id: HubId) -> (ClientHandle, Lease) {
        let (sender, commands) = mpsc::channel(MAX_PENDING_REQUESTS);
        let (handle, number) = (ClientHandle(sender), clients.next_lease);
        clients.next_lease += 1;
        clients.by_id.insert(id, (number, handle.clone()));
        (handle, Lease { registry: self.clone(), id, number, commands })
    }
}

impl Lease {
    /// The next command; `None` when the client was registered anew.
    pub async fn next(&mut self) -> Option<ClientCommand> {
        self.commands.recv().await
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut clients = lock(&self.registry.0);
        if clients.by_id.get(&self.id).is_some_and(|(number, _)| *number == self.number) {
            clients.by_id.remove(&self.id);
        }
    }
}
