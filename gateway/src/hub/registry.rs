//! The clients on this pod whose requests come on connections of their own: all of the hub's streams and polls, and the new
//! access tokens of WebSockets and plain streams.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::{Notify, mpsc, oneshot};

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
        claims: Box<Claims>,
        /// Dropped, if there is no such client, or nothing to poll for.
        reply: oneshot::Sender<Reply>,
    },
    /// End the client, since the reply to a poll was lost on its way.
    Abort,
}

/// Sends commands to the task that serves a client; cheap to clone.
#[derive(Debug, Clone)]
pub enum ClientHandle {
    /// All of its requests come on connections of their own.
    Commands(mpsc::Sender<ClientCommand>),
    /// It has a WebSocket or a plain stream, and only new access tokens come beside it.
    Refreshed(Arc<RefreshSlot>),
}

impl ClientHandle {
    /// Has a request served.
    pub async fn request(&self, operation: Operation, claims: Claims) -> Reply {
        let (reply, received) = oneshot::channel();
        let claims = Box::new(claims);
        match self {
            Self::Commands(commands) => {
                if commands.send(ClientCommand::Request { operation, claims, reply }).await.is_err() {
                    return Reply::Gone;
                }
            }
            Self::Refreshed(slot) if matches!(operation, Operation::Refresh) => slot.put(Refresh { claims, reply }),
            Self::Refreshed(_) => return Reply::Gone,
        }
        received.await.unwrap_or(Reply::Gone)
    }

    /// Ends the client, if it is still there.
    pub async fn abort(&self) {
        if let Self::Commands(commands) = self {
            commands.send(ClientCommand::Abort).await.ok();
        }
    }
}

/// A new access token for a client with a WebSocket or a plain stream.
#[derive(Debug)]
pub struct Refresh {
    /// Its claims.
    pub claims: Box<Claims>,
    /// Dropped, if there is no such client.
    pub reply: oneshot::Sender<Reply>,
}

/// Room for one new access token; each of these clients has one, and a channel would take two kilobytes of every idle connection.
#[derive(Debug, Default)]
pub struct RefreshSlot {
    state: Mutex<SlotState>,
    news: Notify,
}

#[derive(Debug, Default)]
struct SlotState {
    refresh: Option<Refresh>,
    is_closed: bool,
}

impl RefreshSlot {
    /// Puts a token in; one that still waits is refused, since this one is newer.
    fn put(&self, refresh: Refresh) {
        let mut state = lock(&self.state);
        if !state.is_closed {
            state.refresh = Some(refresh);
            self.news.notify_one();
        }
    }

    fn close(&self) {
        *lock(&self.state) = SlotState { refresh: None, is_closed: true };
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

/// A client's place in the registry, until this is dropped.
#[derive(Debug)]
struct Registration {
    registry: ClientRegistry,
    id: HubId,
    number: u64,
}

/// A client's registration. Its commands arrive here until this is dropped or the client is registered anew.
#[derive(Debug)]
pub struct Lease {
    registration: Registration,
    commands: mpsc::Receiver<ClientCommand>,
}

/// The registration of a client with a WebSocket or a plain stream, where its new access tokens arrive.
#[derive(Debug)]
pub struct RefreshLease {
    slot: Arc<RefreshSlot>,
    _registration: Registration,
}

impl ClientRegistry {
    /// Registers a client; an earlier lease of it gets no more commands.
    pub fn register(&self, id: HubId) -> Lease {
        self.insert(&mut lock(&self.0), id).1
    }

    /// Registers a client that has a WebSocket or a plain stream; an earlier lease of it gets no more.
    pub fn register_for_refresh(&self, id: HubId) -> RefreshLease {
        let slot = Arc::new(RefreshSlot::default());
        let registration = self.insert_handle(&mut lock(&self.0), id, ClientHandle::Refreshed(slot.clone()));
        RefreshLease { slot, _registration: registration }
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
        let handle = ClientHandle::Commands(sender);
        let registration = self.insert_handle(clients, id, handle.clone());
        (handle, Lease { registration, commands })
    }

    fn insert_handle(&self, clients: &mut Clients, id: HubId, handle: ClientHandle) -> Registration {
        let number = clients.next_lease;
        clients.next_lease += 1;
        clients.by_id.insert(id, (number, handle));
        Registration { registry: self.clone(), id, number }
    }
}

impl Lease {
    /// The client's id.
    pub(super) fn id(&self) -> HubId {
        self.registration.id
    }

    /// The next command; `None` when the client was registered anew.
    pub async fn next(&mut self) -> Option<ClientCommand> {
        self.commands.recv().await
    }
}

impl RefreshLease {
    /// The next access token.
    pub async fn next(&self) -> Refresh {
        loop {
            if let Some(refresh) = lock(&self.slot.state).refresh.take() {
                return refresh;
            }
            self.slot.news.notified().await;
        }
    }
}

impl Drop for RefreshLease {
    fn drop(&mut self) {
        self.slot.close();
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut clients = lock(&self.registry.0);
        if clients.by_id.get(&self.id).is_some_and(|(number, _)| *number == self.number) {
            clients.by_id.remove(&self.id);
        }
    }
}
