//! Against collectors that answer as told.

use std::time::Instant;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{prometheus::install_recorder, settings::Layers};

const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn read(settings: &[(&str, &str)]) -> Result<TelemetryConfig, String> {
    let flags = settings.iter().map(|(path, value)| (format!("telemetry.{path}"), (*value).to_owned())).collect();
    let settings = Settings::read(Layers { flags, ..Layers::default() }).unwrap();
    TelemetryConfig::read(&settings).map_err(|error| error.to_string())
}

fn started(url: &str, sample: f64) -> Telemetry {
    Telemetry::start("bellwire-test", &TelemetryConfig { otlp_url: url.to_owned(), sample }).unwrap()
}

#[test]
fn spans_go_below_the_address_of_a_collector() {
    for (address, expected) in [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://example.com/otlp", "https://example.com/otlp/v1/traces"),
        ("https://example.com/otlp/v1/traces", "https://example.com/otlp/v1/traces"),
    ] {
        assert_eq!(read(&[("otlp_url", address)]).unwrap().traces_url().unwrap().unwrap().as_str(), expected);
    }
    assert!(read(&[]).unwrap().traces_url().unwrap().is_none(), "off unless it is set");
}

#[test]
fn an_address_that_is_none_is_refused_with_the_name_of_its_setting_and_without_a_password() {
    for (address, reason) in [
        ("collector", "it is no address"),
        ("collector:4318", "http:// or https://"),
        ("grpc://collector:4317", "http:// or https://"),
        ("http://me:hunter2@collector", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("http://collector/?key=hunter2", "query"),
    ] {
        let error = read(&[("otlp_url", address)]).unwrap_err();
        assert!(error.starts_with("telemetry.otlp_url (BELLWIRE_TELEMETRY__OTLP_URL): "), "{error}");
        assert!(error.contains(reason) && !error.contains("hunter2"), "{error}");
    }
    for part in ["-0.1", "1.1", "nan"] {
        let error = read(&[("sample", part)]).unwrap_err();
        assert!(error.starts_with("telemetry.sample (BELLWIRE_TELEMETRY__SAMPLE): "), "{error}");
    }
}

#[tokio::test]
async fn without_a_collector_there_is_no_span() {
    let telemetry = started("", 1.0);
    assert!(telemetry.of_request(Some(SAMPLED), "start").is_none() && telemetry.of_request(None, "start").is_none());
    assert!(telemetry.parent(Some(SAMPLED)).is_none());
    telemetry.close().await;
}

#[tokio::test]
async fn whoever_begins_a_trace_decides_whether_it_is_sampled() {
    let not_sampled = SAMPLED.replace("-01", "-00");
    for (sample, begins) in [(0.0, false), (1.0, true)] {
        let telemetry = started("http://127.0.0.1:1", sample);
        let span = telemetry.of_request(Some(SAMPLED), "start").unwrap();
        assert!(span.traceparent().starts_with(&SAMPLED[..36]) && span.traceparent().ends_with("-01"));
        assert_ne!(span.traceparent(), SAMPLED);
        assert!(telemetry.of_request(Some(&not_sampled), "start").is_none());
        assert!(telemetry.child(Some(&not_sampled), SpanKind::Consumer, "run").is_none());
        assert!(telemetry.child(None, SpanKind::Consumer, "run").is_none(), "only a request begins a trace");
        assert_eq!(telemetry.of_request(None, "start").is_some(), begins);
        assert_eq!(telemetry.of_request(Some("no trace"), "start").is_some(), begins);
    }
}

/// A connection of the process.
async fn accepted(listener: &TcpListener) -> TcpStream {
    timeout(Duration::from_secs(30), listener.accept()).await.expect("it connects").unwrap().0
}

/// Reads one request and answers it; true if it is of spans.
async fn answer(mut socket: TcpStream, answer: &str) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    socket.read_exact(&mut body).await.unwrap();
    socket.write_all(format!("{answer}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").as_bytes()).await.unwrap();
    head.starts_with("post /v1/traces ")
        && head.contains("content-type: application/x-protobuf\r\n")
        && body.windows(13).any(|part| part == b"bellwire-test")
}

#[tokio::test]
async fn a_collector_that_was_away_is_sent_what_waited() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let telemetry = started(&format!("http://{}", listener.local_addr().unwrap()), 1.0);
    drop(telemetry.of_request(None, "start"));
    drop(accepted(&listener).await);
    for status in ["503 Service Unavailable", "200 OK"] {
        assert!(answer(accepted(&listener).await, &format!("HTTP/1.1 {status}")).await, "it is sent again");
    }
}

#[tokio::test]
async fn the_end_of_a_process_sends_what_waits_and_waits_for_no_collector_that_hangs() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let telemetry = started(&url, 1.0);
    drop(telemetry.of_request(None, "start"));
    let answering = tokio::spawn(async move {
        let answered = answer(accepted(&listener).await, "HTTP/1.1 200 OK").await;
        (listener, answered)
    });
    telemetry.close().await;
    assert!(answering.is_finished(), "it is sent before the process ends");
    let (_hanging, answered) = answering.await.unwrap();
    assert!(answered);

    let telemetry = started(&url, 1.0);
    drop(telemetry.of_request(None, "start"));
    let started = Instant::now();
    telemetry.close().await;
    assert!(started.elapsed() < FLUSH * 2, "{:?}", started.elapsed());
}

#[tokio::test]
async fn spans_that_find_no_place_are_dropped_and_counted() {
    let metrics = install_recorder();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let telemetry = started(&format!("http://{}", listener.local_addr().unwrap()), 1.0);
    for _ in 0..3000 {
        drop(telemetry.of_request(None, "start"));
    }
    let page = metrics.render();
    assert!(page.contains("bellwire_spans_dropped_total{reason=\"full\"} 952\n"), "{page}");
}
