//! A connection that goes on with a newer access token of the same person: its rights follow that token.

use std::sync::Arc;

use crate::{
    dispatch::{handle::DispatcherHandle, registry::Recipient},
    hub::transport::Transport,
    write::feed::EventFeed,
};

/// Subscribes a connection anew with other groups, from where its client stands: nothing is lost, and nothing told twice.
/// `None` when that cannot be; then the connection must end, and its client come back with the newer token.
pub(crate) async fn subscribe_anew(
    dispatch: &DispatcherHandle,
    had: &Recipient,
    recipient: Arc<Recipient>,
    sends_cursors: bool,
    transport: &impl Transport,
) -> Option<()> {
    let after = transport.detach_feed()?;
    // What waits may be of a group that the client is no longer in; it is told again after its cursor if it still is.
    if !recipient.has_groups_of(had) && transport.unsent_bytes() > 0 {
        return None;
    }
    let subscription = dispatch.subscribe(recipient, Some(after)).await.ok()?;
    transport.set_feed(EventFeed::new(subscription, sends_cursors));
    Some(())
}
