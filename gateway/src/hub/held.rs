//! The clients of the hub that are held on this pod by what is not a WebSocket: their POSTs come on other connections.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::connection_token::HubId;

/// Most requests that wait for one client; clients send the next after the answer to the one before.
const WAITING: usize = 8;

/// What is asked of who holds a client.
#[derive(Debug)]
pub enum Asked {
    /// To take these bytes of the client's, and to say when that is done.
    Post {
        /// As they came.
        bytes: Bytes,
        /// When the token that they came with ends.
        expires: Timestamp,
        /// Dropped, if the client is gone.
        done: oneshot::Sender<()>,
    },
    /// To answer with what the client is told next.
    Poll {
        /// When the token that it came with ends.
        expires: Timestamp,
        /// Dropped, if there is nothing to poll for.
        answer: oneshot::Sender<Polled>,
    },
    /// To end the client, since what a poll was answered with was lost on its way.
    Lost,
    /// To end the client.
    Delete {
        /// Dropped, if it was gone before.
        done: oneshot::Sender<()>,
    },
}

/// What a poll is answered with.
#[derive(Debug)]
pub enum Polled {
    /// Whole messages; none, when there was nothing to tell for a while.
    Messages {
        /// Whether they are text.
        is_text: bool,
        /// One after another.
        bytes: Bytes,
    },
    /// Nothing more comes of this poll: a newer one was made, or the client's connection is over.
    Over,
}

/// Who is held here; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Held(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    clients: Mutex<HashMap<HubId, Client>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Client {
    number: u64,
    asked: mpsc::Sender<Asked>,
}

/// Holds a client: what it is asked for comes here, until this is dropped or somebody else holds it.
#[derive(Debug)]
pub struct Holding {
    held: Held,
    id: HubId,
    number: u64,
    asked: mpsc::Receiver<Asked>,
}

impl Held {
    /// Begins to hold a client; whoever held it before holds it no more.
    pub fn hold(&self, id: HubId) -> Holding {
        let (sender, asked) = mpsc::channel(WAITING);
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.clients().insert(id, Client { number, asked: sender });
        Holding { held: self.clone(), id, number, asked }
    }

    /// How to ask who holds a client here; where nobody does, it is held from now on.
    pub fn find_or_hold(&self, id: HubId) -> (mpsc::Sender<Asked>, Option<Holding>) {
        let mut clients = self.clients();
        if let Some(client) = clients.get(&id) {
            return (client.asked.clone(), None);
        }
        let (sender, asked) = mpsc::channel(WAITING);
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        clients.insert(id, Client { number, asked: sender.clone() });
        drop(clients);
        (sender, Some(Holding { held: self.clone(), id, number, asked }))
    }

    /// How to ask who holds a client here.
    pub fn find(&self, id: &HubId) -> Option<mpsc::Sender<Asked>> {
        self.clients().get(id).map(|client| client.asked.clone())
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<HubId, Client>> {
        // Each change is whole in itself: a panic elsewhere has not harmed it.
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holding {
    /// Whom it holds.
    pub fn id(&self) -> HubId {
        self.id
    }

    /// What is asked next; `None` when somebody else holds the client now.
    pub async fn next(&mut self) -> Option<Asked> {
        self.asked.recv().await
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let mut clients = self.held.clients();
        if clients.get(&self.id).is_some_and(|client| client.number == self.number) {
            clients.remove(&self.id);
        }
    }
}
