//! Traces: spans of what a process does for a request, told to a collector over OTLP.
//!
//! Spans are made by hand at the few places that matter. While it is off, each costs the check of an `Option`; while it is
//! on, what is not sampled costs reading a `traceparent`.

mod collector;
mod export;
mod traceparent;

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use model::PodId;
use opentelemetry::{
    Context, KeyValue, Value,
    trace::{Span as _, SpanContext, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider, SpanExporter as _},
};
use serde::Deserialize;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use url::Url;

use crate::{config_error::ConfigError, settings::Settings};
use collector::Collector;

pub use opentelemetry::trace::SpanKind;

/// The path of traces below the address of a collector.
const TRACES: &str = "v1/traces";
/// How long the end of a process waits for the collector.
const FLUSH: Duration = Duration::from_secs(2);

/// `[telemetry]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// `BELLWIRE_TELEMETRY__OTLP_URL`: the collector of traces, as in `http://collector:4318`; spans go to `/v1/traces` below it,
    /// as protobuf over HTTP. Empty: none. Empty.
    pub otlp_url: String,
    /// `BELLWIRE_TELEMETRY__SAMPLE`: the part of the requests without a `traceparent` of their own that is traced, from 0 to 1; one
    /// with a `traceparent` is traced if that says so. `0.01`.
    pub sample: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { otlp_url: String::new(), sample: 0.01 }
    }
}

impl TelemetryConfig {
    /// Reads and checks `[telemetry]`.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let config: Self = settings.section("telemetry")?;
        config.traces_url().map_err(|reason| settings.invalid("telemetry.otlp_url", reason))?;
        if !(0.0..=1.0).contains(&config.sample) {
            return Err(settings.invalid("telemetry.sample", "it is a part, from 0 to 1"));
        }
        Ok(config)
    }

    /// Where spans go; `None` without a collector. The error does not repeat the address, which may hold a password.
    fn traces_url(&self) -> Result<Option<Url>, String> {
        if self.otlp_url.is_empty() {
            return Ok(None);
        }
        let mut url: Url = self.otlp_url.parse().map_err(|error| format!("it is no address: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(
                "it must begin with http:// or https://: spans go over HTTP, as to http://collector:4318".to_owned()
            );
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a password does not belong there: put it into OTEL_EXPORTER_OTLP_HEADERS".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it has a query, which an address that paths are put to cannot have".to_owned());
        }
        let base = url.path().trim_end_matches('/').to_owned();
        if !base.ends_with(TRACES) {
            url.set_path(&format!("{base}/{TRACES}"));
        }
        Ok(Some(url))
    }
}

/// The spans of this process; cheap to clone. Without a collector there are none.
#[derive(Clone, Default)]
pub struct Telemetry(Option<Arc<Tracing>>);

struct Tracing {
    tracer: SdkTracer,
    closing: CancellationToken,
    export: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Telemetry").field(&self.0.is_some()).finish()
    }
}

impl Telemetry {
    /// Starts to send the spans of the process `name`, if there is a collector. Called within a Tokio runtime.
    pub fn start(name: &'static str, config: &TelemetryConfig) -> anyhow::Result<Self> {
        let Some(url) = config.traces_url().map_err(anyhow::Error::msg).context("telemetry.otlp_url")? else {
            return Ok(Self::default());
        };
        // The id is of the process: a gateway's id among the pods is younger.
        let resource = Resource::builder()
            .with_service_name(name)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", PodId::new("p").to_string()))
            .build();
        let collector = Collector::new(&url)?;
        let is_refused = collector.is_refused();
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_endpoint(url)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(collector::TIMEOUT)
            // Its pauses would stop a thread of the runtime.
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .context("telemetry.otlp_url")?;
        exporter.set_resource(&resource);
        let closing = CancellationToken::new();
        let (queue, export) = export::queue(exporter, is_refused, closing.clone());
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::parent_based(Sampler::TraceIdRatioBased(config.sample)))
            .with_span_processor(queue)
            .build();
        let export = Mutex::new(Some(tokio::spawn(export.run())));
        Ok(Self(Some(Arc::new(Tracing { tracer: provider.tracer("bellwire"), closing, export }))))
    }

    /// Sends what waits, and nothing from then on; gives up after two seconds.
    pub async fn close(&self) {
        let Some(tracing) = &self.0 else { return };
        tracing.closing.cancel();
        let export = tracing.export.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(export) = export
            && timeout(FLUSH, export).await.is_err()
        {
            warn!("the collector has not taken the last traces in time; they are lost");
        }
    }

    /// The span that a `traceparent` names, if it is sampled and there is a collector.
    pub fn parent(&self, traceparent: Option<&str>) -> Option<Parent> {
        self.0.as_ref()?;
        traceparent::read(traceparent?).filter(SpanContext::is_sampled).map(Parent)
    }

    /// A span below another.
    pub fn child_of(&self, parent: Parent, kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Option<Span> {
        self.0.as_ref()?.begin(&Context::new().with_remote_span_context(parent.0), kind, name.into())
    }

    /// A span below what a `traceparent` names, if that is sampled.
    pub fn child(&self, traceparent: Option<&str>, kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Option<Span> {
        self.child_of(self.parent(traceparent)?, kind, name)
    }

    /// The span of a request from outside: below what its `traceparent` names, if that is sampled; without one, for a part of the
    /// requests, the first of a trace.
    pub fn of_request(&self, traceparent: Option<&str>, name: &'static str) -> Option<Span> {
        let tracing = self.0.as_ref()?;
        let context = match traceparent.and_then(traceparent::read) {
            Some(parent) => Context::new().with_remote_span_context(parent),
            None => Context::new(),
        };
        tracing.begin(&context, SpanKind::Server, name.into())
    }
}

impl Tracing {
    /// A span, if it is sampled.
    fn begin(&self, context: &Context, kind: SpanKind, name: Cow<'static, str>) -> Option<Span> {
        let span = self.tracer.span_builder(name).with_kind(kind).start_with_context(&self.tracer, context);
        span.span_context().is_sampled().then_some(Span(span))
    }
}

/// A sampled span, of this process or another.
#[derive(Debug, Clone)]
pub struct Parent(SpanContext);

/// A sampled span of this process; it ends when it is dropped.
#[derive(Debug)]
pub struct Span(opentelemetry_sdk::trace::Span);

impl Span {
    /// What names it to whoever goes on with the trace.
    pub fn traceparent(&self) -> String {
        traceparent::write(self.0.span_context())
    }

    /// Says something about it; never what users wrote, nor anything secret.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.set_attribute(KeyValue::new(name, value));
    }

    /// Says that what it stands for has failed; never with what users wrote.
    pub fn fail(&mut self, why: &'static str) {
        self.0.set_status(Status::error(why));
    }
}

/// True if a text is a W3C trace context, as it may be passed on.
pub fn is_traceparent(text: &str) -> bool {
    traceparent::read(text).is_some()
}

#[cfg(test)]
mod tests;
