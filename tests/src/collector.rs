//! A collector of traces, as OpenTelemetry's are: it takes spans as protobuf over HTTP.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
};
use process::{Telemetry, telemetry::TelemetryConfig};
use prost::Message;
use tokio::{net::TcpListener, task::AbortHandle};

use crate::until;

/// A running collector.
pub struct Collector {
    pub url: String,
    spans: Received,
    serving: AbortHandle,
}

type Received = Arc<Mutex<Vec<ReceivedSpan>>>;

/// A span that it has received.
#[derive(Debug, Clone)]
pub struct ReceivedSpan {
    pub service: String,
    pub name: String,
    pub trace: String,
    pub id: String,
    /// Empty for the first of a trace.
    pub parent: String,
    pub kind: i32,
    pub nanoseconds: u64,
    pub attributes: HashMap<String, String>,
}

impl Collector {
    // A few connections of a test: what they take does not matter.
    #[allow(clippy::disallowed_methods)]
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Received::default();
        let routes = Router::new().route("/v1/traces", post(take)).with_state(spans.clone());
        let serving = tokio::spawn(async { axum::serve(listener, routes).await.unwrap() }).abort_handle();
        Self { url, spans, serving }
    }

    /// What a process tells it of.
    pub fn telemetry(&self, name: &'static str, sample: f64) -> Telemetry {
        Telemetry::start(name, &TelemetryConfig { otlp_url: self.url.clone(), sample }).unwrap()
    }

    /// All that was received until now.
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        self.spans.lock().unwrap().clone()
    }

    /// The first span of this name of which that holds.
    pub async fn span(&self, name: &str, holds: impl Fn(&ReceivedSpan) -> bool) -> ReceivedSpan {
        until(&format!("the span {name:?} is received"), async || {
            self.spans().into_iter().find(|span| span.name == name && holds(span))
        })
        .await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(spans): State<Received>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for of_resource in request.resource_spans {
        let resource = texts(of_resource.resource.unwrap().attributes);
        assert!(!resource["service.instance.id"].is_empty(), "{resource:?}");
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.lock().unwrap().push(ReceivedSpan {
                service: resource["service.name"].clone(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                kind: span.kind,
                nanoseconds: span.end_time_unix_nano - span.start_time_unix_nano,
                attributes: texts(span.attributes),
            });
        }
    }
    StatusCode::OK
}

fn texts(attributes: Vec<KeyValue>) -> HashMap<String, String> {
    let text = |attribute: KeyValue| match attribute.value.unwrap().value.unwrap() {
        Value::StringValue(text) => (attribute.key, text),
        Value::IntValue(number) => (attribute.key, number.to_string()),
        Value::DoubleValue(number) => (attribute.key, number.to_string()),
        other => panic!("{other:?}"),
    };
    attributes.into_iter().map(text).collect()
}
