//! A connection of HTTP/2: accepts its streams, and ends it when it is idle, deaf or to be drained.

use std::{future::poll_fn, num::NonZeroU32, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use h2::{Ping, PingPong, Reason, server};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tracing::{debug, error};

use super::{
    client::Client,
    client_socket::ClientSocket,
    http1_socket::LARGEST_HEAD,
    http2_request::{Outcome, answer},
};
use crate::{config::GatewayConfig, rate_limit::RateLimit, sockets::OpenSocket};

/// Bytes of a stream that a client may send before they are read. A connection's window has room for all of its streams, so
/// that an upload that is made to wait holds up no other.
const STREAM_WINDOW: u32 = 256 << 10;
/// Bytes that a stream may have in the connection's buffer.
const SEND_BUFFER: usize = 64 << 10;
/// Memory that small frames may take besides what they hold.
const SMALL_FRAMES: usize = 1 << 20;
/// Streams that a client may take back before they were seen; beyond it the connection ends.
const UNSEEN_RESETS: usize = 64;
/// Streams a second that a client may take back before they were answered, and for how long at once; what comes faster is
/// refused, so that a proxy's other clients are served on.
const RESETS: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
const RESETS_BURST: Duration = Duration::from_secs(10);
/// How often a client is asked for a sign of life, and the time that it has to give one.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// The time in which a client that was sent away closes the connection.
const GOODBYE: Duration = Duration::from_secs(5);

/// Serves requests to the end of the connection.
pub(super) async fn serve(socket: ClientSocket, place: OpenSocket, client: Client) {
    let pod = client.pod.clone();
    let config = &pod.config;
    let handshake = timeout(config.keep_alive, settings(config).handshake::<_, Bytes>(socket)).await;
    let connection = match handshake {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return debug!(%error, "a connection of HTTP/2 has not begun"),
        Err(_) => return debug!("a connection of HTTP/2 took too long to begin"),
    };
    let mut served = Served {
        client,
        connection,
        streams: JoinSet::new(),
        most_streams: config.streams_per_connection.get() as usize,
        resets: RateLimit::new(RESETS, RESETS_BURST, Instant::now()),
    };
    let mut stopping = Box::pin(pod.stopping.clone().cancelled_owned());
    let mut draining = Box::pin(pod.draining.clone().cancelled_owned());
    let (mut is_used, mut is_leaving) = (false, false);
    let mut ends_at = Instant::now() + config.keep_alive;
    let mut ping = Pings::new(served.connection.ping_pong());
    loop {
        tokio::select! {
            () = place.as_use().closing() => {
                debug!("a connection made room for others");
                break;
            }
            // One that comes while the pod lingers has its first request answered: it would only come again.
            () = &mut stopping, if is_used && !is_leaving => {
                is_leaving = true;
                served.connection.graceful_shutdown();
                ends_at = Instant::now() + GOODBYE;
            }
            () = &mut draining, if !is_leaving => {
                is_leaving = true;
                served.connection.graceful_shutdown();
                ends_at = Instant::now() + GOODBYE;
            }
            accepted = served.connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    is_used = true;
                    served.begin(request, respond);
                }
                Some(Err(error)) => {
                    debug!(%error, "a connection broke");
                    break;
                }
                None => break,
            },
            Some(ended) = served.streams.join_next(), if !served.streams.is_empty() => {
                served.note(ended);
                if !is_leaving && served.client.goes_elsewhere.load(Ordering::Acquire) {
                    is_leaving = true;
                    served.connection.graceful_shutdown();
                }
                let wait = if is_leaving { GOODBYE } else { config.keep_alive };
                ends_at = Instant::now() + wait;
            }
            () = sleep_until(ends_at), if served.streams.is_empty() => {
                if is_leaving {
                    break;
                }
                is_leaving = true;
                served.connection.graceful_shutdown();
                ends_at = Instant::now() + GOODBYE;
            }
            is_alive = ping.next() => if !is_alive {
                debug!("a client of HTTP/2 gives no sign of life");
                break;
            }
        }
    }
    // With it the streams end: requests are dropped, and writers find theirs broken.
    let Served { connection, mut streams, .. } = served;
    drop((connection, ping));
    while let Some(ended) = streams.join_next().await {
        log_panic(ended.map(drop));
    }
}

/// The limits of a connection. Extended CONNECT is not announced: browsers open WebSockets over HTTP/1.1.
fn settings(config: &GatewayConfig) -> server::Builder {
    let streams = config.streams_per_connection.get();
    let mut builder = server::Builder::new();
    builder
        .max_concurrent_streams(streams)
        // What is larger is answered with 431 here; what is much larger by h2, without words.
        .max_header_list_size(2 * LARGEST_HEAD as u32)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW.saturating_mul(streams).min(i32::MAX as u32))
        .max_send_buffer_size(SEND_BUFFER)
        .data_frame_budget(SMALL_FRAMES)
        .max_pending_accept_reset_streams(UNSEEN_RESETS);
    builder
}

struct Served {
    client: Client,
    connection: server::Connection<ClientSocket, Bytes>,
    streams: JoinSet<Outcome>,
    most_streams: usize,
    resets: RateLimit,
}

impl Served {
    fn begin(&mut self, request: axum::http::Request<h2::RecvStream>, mut respond: server::SendResponse<Bytes>) {
        // Those that were taken back are still in the set until they have noticed.
        let is_too_much = self.streams.len() >= 2 * self.most_streams;
        if is_too_much || !self.resets.wait(Instant::now(), 1).is_zero() {
            return respond.send_reset(Reason::REFUSED_STREAM);
        }
        self.streams.spawn(answer(request, respond, self.client.clone()));
    }

    fn note(&mut self, ended: Result<Outcome, tokio::task::JoinError>) {
        if matches!(ended, Ok(Outcome::TakenBack)) {
            self.resets.charge(Instant::now(), 1);
        }
        log_panic(ended.map(drop));
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "a request's task has panicked");
    }
}

/// Asks the client for signs of life.
struct Pings {
    pings: Option<PingPong>,
    is_waiting: bool,
    next: Instant,
}

impl Pings {
    fn new(pings: Option<PingPong>) -> Self {
        Self { pings, is_waiting: false, next: Instant::now() + PING_INTERVAL }
    }

    /// Waits until one has come, or one has been asked for; `false` if none came in time.
    async fn next(&mut self) -> bool {
        let Some(pings) = &mut self.pings else {
            return std::future::pending().await;
        };
        if self.is_waiting {
            tokio::select! {
                pong = poll_fn(|cx| pings.poll_pong(cx)) => {
                    self.is_waiting = false;
                    pong.is_ok()
                }
                () = sleep_until(self.next) => false,
            }
        } else {
            sleep_until(self.next).await;
            self.is_waiting = true;
            self.next = Instant::now() + PING_INTERVAL;
            pings.send_ping(Ping::opaque()).is_ok()
        }
    }
}
