//! A connection to `GET /events`, frame by frame, as curl would see it.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use std::pin::Pin;
use tokio::time::timeout;

use crate::{TIMEOUT, http_client::http_client};

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    /// `event:`
    pub event: String,
    /// `data:`, as JSON.
    pub data: Value,
    /// The cursor after it.
    pub id: String,
}

/// Somebody who listens.
pub struct EventStream {
    bytes: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    rest: String,
    /// The last `id:`.
    pub cursor: String,
    /// The last `retry:`.
    pub retry: Option<u64>,
    /// By which it is given a newer token.
    pub name: String,
}

impl EventStream {
    /// Connects and waits for the first cursor.
    pub async fn connect(base: &str, token: &str, after: Option<&str>) -> Self {
        Self::of(Self::ask(base, token, after).await).await
    }

    /// Connects to an address as it is written, and waits for the first cursor.
    pub async fn open(url: &str, token: &str) -> Self {
        Self::of(reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap()).await
    }

    /// Reads an answer, and waits for the first cursor.
    pub async fn of(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let name = response.headers()["bellwire-stream"].to_str().unwrap().to_owned();
        let bytes = Box::pin(response.bytes_stream());
        let mut browser = Self { bytes, rest: String::new(), cursor: String::new(), retry: None, name };
        while browser.cursor.is_empty() {
            browser.read().await.expect("a cursor comes first");
        }
        browser
    }

    /// The bare answer.
    pub async fn ask(base: &str, token: &str, after: Option<&str>) -> reqwest::Response {
        let mut request = http_client().get(format!("{base}/events")).bearer_auth(token);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        request.send().await.unwrap()
    }

    /// The next event that is not only a cursor.
    pub async fn next(&mut self) -> Frame {
        timeout(TIMEOUT, self.next_or_end()).await.expect("an event comes").expect("the connection goes on")
    }

    /// The next event, or `None` when the connection has ended.
    pub async fn next_or_end(&mut self) -> Option<Frame> {
        loop {
            let frame = self.read().await?;
            if !frame.data.is_null() {
                return Some(frame);
            }
        }
    }

    /// The `id`s of the next events' CloudEvents.
    pub async fn next_ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while ids.len() < count {
            ids.push(self.next().await.data["id"].as_str().unwrap_or("no event").to_owned());
        }
        ids
    }

    /// Waits for a heartbeat, and says what came before it.
    pub async fn until_heartbeat(&mut self) -> Vec<Frame> {
        let mut before = Vec::new();
        loop {
            let frame = timeout(TIMEOUT, self.read()).await.expect("a heartbeat").expect("goes on");
            if frame.data.is_null() {
                return before;
            }
            before.push(frame);
        }
    }

    /// One frame, cursors alone included; `None` at the end.
    async fn read(&mut self) -> Option<Frame> {
        loop {
            if let Some(end) = self.rest.find("\n\n") {
                let block: String = self.rest.drain(..end + 2).collect();
                return Some(self.parse(&block));
            }
            let bytes = self.bytes.next().await?.ok()?;
            self.rest.push_str(std::str::from_utf8(&bytes).expect("frames are never cut inside a letter here"));
        }
    }

    fn parse(&mut self, block: &str) -> Frame {
        let mut frame = Frame::default();
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => self.cursor = id.to_owned(),
                Some(("event", event)) => frame.event = event.to_owned(),
                None if line == "data:" => assert_eq!(frame.event, "cursor"),
                Some(("data", data)) => frame.data = serde_json::from_str(data).unwrap(),
                Some(("retry", time)) => self.retry = time.parse().ok(),
                _ => assert!(line.is_empty(), "{line:?}"),
            }
        }
        frame.id.clone_from(&self.cursor);
        frame
    }
}
