//! The admin port, asked as a probe or a scraper asks it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{net::SocketAddr, time::Duration};

use process::{Admin, Readiness};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    time::timeout,
};

const DEADLINE: Duration = Duration::from_secs(10);

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

async fn port(readiness: &Readiness) -> Admin {
    Admin::bind("127.0.0.1:0", readiness.clone()).await.unwrap()
}

#[tokio::test]
async fn it_is_alive_at_once_and_ready_when_its_conditions_hold() {
    let readiness = Readiness::default();
    let admin = port(&readiness).await;
    let address = admin.address();
    admin
        .serve_during(async {
            assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
            let log = readiness.condition("log of prod");
            log.not_ready("catching up");
            let answer = get(address, "/readyz").await;
            assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("log of prod: catching up"), "{answer}");
            log.degraded("the broker is away");
            let answer = get(address, "/readyz").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.contains("degraded: the broker is away"), "{answer}");
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn an_environment_is_asked_for_by_name_and_an_unknown_one_is_not_found() {
    let readiness = Readiness::default();
    let admin = port(&readiness).await;
    let address = admin.address();
    admin
        .serve_during(async {
            let (prod, _test) = (readiness.condition_of("prod", "log"), readiness.condition_of("test", "log"));
            prod.ready();
            let status = async |path| get(address, path).await[9..12].to_owned();
            assert_eq!(status("/readyz").await, "200");
            assert_eq!(status("/readyz?environment=prod").await, "200");
            assert_eq!(status("/readyz?environment=qa").await, "404");
            assert_eq!(status("/readyz?enviroment=prod").await, "400", "a word misspelt is no yes");
            let answer = get(address, "/readyz?environment=test").await;
            assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("test: log: starting"), "{answer}");
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn two_of_them_in_one_program_show_the_same_metrics() {
    let (one, other) = (port(&Readiness::default()).await, port(&Readiness::default()).await);
    let addresses = [one.address(), other.address()];
    let asked = async {
        metrics::counter!("bellwire_test_words_total").increment(3);
        metrics::histogram!("bellwire_test_seconds").record(0.003);
        for address in addresses {
            let answer = get(address, "/metrics").await;
            assert!(answer.contains("bellwire_test_words_total 3"), "{answer}");
            assert!(answer.contains("bellwire_test_seconds_bucket{le=\"0.005\"} 1"), "{answer}");
            assert!(answer.contains("bellwire_build_info"), "{answer}");
        }
    };
    // The recorder is there from the first poll of a port on, as `join` polls in order.
    one.serve_during(async {
        other
            .serve_during(async {
                tokio::task::yield_now().await;
                asked.await
            })
            .await
    })
    .await
    .unwrap()
    .unwrap();
}

#[tokio::test]
async fn an_open_connection_does_not_hold_up_the_end() {
    let admin = port(&Readiness::default()).await;
    let address = admin.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(admin.run(async { drop(stopped.await) }));
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    get(address, "/livez").await;
    drop(stop);
    timeout(DEADLINE, running).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the port is free again");
}

/// Connections that have sent this and will send no more.
async fn silent(address: SocketAddr, number: usize, sent: &str) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..number {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    streams
}

#[tokio::test]
async fn a_probe_is_answered_beside_half_sent_heads_and_readers_that_do_not_read() {
    let admin = port(&Readiness::default()).await;
    let address = admin.address();
    admin
        .serve_during(async {
            let mut half_sent = silent(address, 200, "GET /livez HTTP/1.1\r\nhost: ").await;
            let readers = silent(address, 200, "GET /metrics HTTP/1.1\r\nhost: admin\r\n\r\n").await;
            assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
            // Whoever came first has given way, so that they cannot use up the process's files.
            let mut nothing = Vec::new();
            let ended = timeout(DEADLINE, half_sent[0].read_to_end(&mut nothing)).await.expect("it is closed");
            assert!(ended.is_err() || nothing.is_empty());
            drop(readers);
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_connection_is_closed_that_sends_no_whole_head_or_has_had_its_answer() {
    let admin = port(&Readiness::default()).await;
    let address = admin.address();
    admin
        .serve_during(async {
            for sent in ["", "GET /livez HTTP/1.1\r\nhost: ", "GET /livez HTTP/1.1\r\nhost: admin\r\n\r\n"] {
                let mut stream = silent(address, 1, sent).await.remove(0);
                let mut answer = Vec::new();
                timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("it is closed").ok();
            }
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let admin = port(&Readiness::default()).await;
    let taken = admin.address().to_string();
    let error = Admin::bind(&taken, Readiness::default()).await.unwrap_err().to_string();
    assert!(error.contains(&taken), "{error}");
}
