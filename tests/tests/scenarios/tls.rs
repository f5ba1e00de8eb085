//! TLS on the gateway's own port: HTTP/2 and HTTP/1.1 by ALPN, WebSockets, and certificates that change.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use gateway::{GatewayConfig, TlsConfig};
use process::{Settings, settings::Layers};
use reqwest::Certificate;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use scenarios::{Cluster, EventStream, Http2, Pod, TIMEOUT, cluster::event, over_both_backplanes, until};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{client_async, tungstenite};

over_both_backplanes! {
    events_go_over_tls_by_either_version_of_http,
    a_stream_over_tls_that_is_not_read_is_ended_and_misses_nothing,
    a_web_socket_goes_over_tls_by_the_older_version,
    a_stopping_pod_sends_away_what_listens_over_tls,
    a_certificate_is_shown_once_its_files_have_changed,
    files_that_cannot_be_used_are_named_at_start,
    whoever_speaks_without_tls_is_told_so,
}

/// Makes a certificate and its key in a folder, `certificate.pem` and `key.pem`.
fn make_certificate(folder: &Path, name: &str, days: &str) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", days])
        .args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("certificate.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// The same, of a day that has passed.
fn make_expired(folder: &Path) {
    make_certificate(folder, "expired", "2");
    let at = folder.display();
    let settings = format!(
        "[ca]\ndefault_ca = own\n[own]\ndatabase = {at}/index\nserial = {at}/serial\nnew_certs_dir = {at}\ndefault_md = sha256\n\
         policy = any\nx509_extensions = own_names\n[any]\ncommonName = supplied\n[own_names]\nsubjectAltName = DNS:localhost\n"
    );
    std::fs::write(folder.join("ca.conf"), settings).unwrap();
    std::fs::write(folder.join("index"), "").unwrap();
    for line in [
        "req -new -key key.pem -subj /CN=expired -out request.pem",
        "ca -batch -notext -create_serial -selfsign -config ca.conf -keyfile key.pem -in request.pem -out certificate.pem \
         -startdate 20200101000000Z -enddate 20200102000000Z",
    ] {
        let made = Command::new("openssl").args(line.split_whitespace()).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

/// A pod with a certificate of its own.
struct Secure {
    pod: Pod,
    folder: TempDir,
    client: reqwest::Client,
}

impl Secure {
    async fn start(cluster: &Cluster, config: GatewayConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_certificate(folder.path(), "first", "2");
        let tls = TlsConfig {
            certificate_file: folder.path().join("certificate.pem"),
            key_file: folder.path().join("key.pem"),
            refresh: Duration::from_millis(50),
        };
        let pod = cluster.pod_with(GatewayConfig { tls: Some(tls), ..config }).await;
        let certificate = std::fs::read(folder.path().join("certificate.pem")).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([Certificate::from_pem(&certificate).unwrap()]);
        Self { pod, folder, client: client.build().unwrap() }
    }

    /// Where it is, by HTTPS.
    fn url(&self) -> String {
        self.pod.url.replacen("http:", "https:", 1)
    }

    /// A connection that offers these protocols, over any version of TLS or that one.
    async fn connect(
        &self,
        protocols: &[&[u8]],
        only: Option<&'static rustls::SupportedProtocolVersion>,
    ) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.folder.path().join("certificate.pem")).unwrap()).unwrap();
        let versions = only.map_or_else(|| vec![&TLS12, &TLS13], |only| vec![only]);
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let socket = TcpStream::connect(self.pod.url.strip_prefix("http://").unwrap()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
    }

    async fn listen(&self, token: &str, after: Option<&str>) -> EventStream {
        let mut request = self.client.get(format!("{}/events", self.url())).bearer_auth(token);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        EventStream::of(request.send().await.unwrap()).await
    }

    async fn publish(&self, token: &str, event: &serde_json::Value) {
        let request = self.client.post(format!("{}/api/events", self.url())).bearer_auth(token);
        let request = request.header("content-type", "application/cloudevents+json").body(event.to_string());
        assert_eq!(request.send().await.unwrap().status(), 202);
    }
}

async fn events_go_over_tls_by_either_version_of_http(cluster: Cluster) {
    let secure = Secure::start(&cluster, GatewayConfig::default()).await;
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    let mut tabs = vec![secure.listen(&ada, None).await];
    for only in [&TLS12, &TLS13] {
        let socket = secure.connect(&[b"h2", b"http/1.1"], Some(only)).await;
        assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "the newer is agreed on");
        let http2 = Http2::over(socket).await;
        for _ in 0..10 {
            tabs.push(http2.events(&secure.url(), &ada, None).await);
        }
    }
    let mut large = event("large", "user:ada");
    large["data"] = json!("x".repeat(60_000));
    for event in [event("1", "user:ada"), event("2", "user:ada"), large] {
        secure.publish(&app, &event).await;
    }
    for tab in &mut tabs {
        assert_eq!(tab.next_ids(3).await, ["1", "2", "large"]);
    }
    for (offered, agreed) in [(&[&b"http/1.1"[..]][..], Some(&b"http/1.1"[..])), (&[], None)] {
        let mut socket = secure.connect(offered, None).await;
        assert_eq!(socket.get_ref().1.alpn_protocol(), agreed);
        socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("the end is told");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

async fn a_stream_over_tls_that_is_not_read_is_ended_and_misses_nothing(cluster: Cluster) {
    // Far more than the sockets' buffers hold.
    const EVENTS: usize = 400;
    let secure = Secure::start(&cluster, GatewayConfig { outbox: 4, ..GatewayConfig::default() }).await;
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    let mut slow = secure.listen(&ada, None).await;
    let mut quick = secure.listen(&ada, None).await;
    let expected: Vec<_> = (0..EVENTS).map(|id| id.to_string()).collect();
    for id in &expected {
        let mut large = event(id, "user:ada");
        large["data"] = json!("x".repeat(50_000));
        secure.publish(&app, &large).await;
        assert_eq!(quick.next_ids(1).await, [id.as_str()]);
    }
    let mut got = Vec::new();
    while let Some(frame) = timeout(TIMEOUT, slow.next_or_end()).await.expect("it ends") {
        got.push(frame.data["id"].as_str().unwrap().to_owned());
    }
    assert!(got.len() < EVENTS, "it was ended");
    let mut back = secure.listen(&ada, Some(&slow.cursor)).await;
    got.extend(back.next_ids(EVENTS - got.len()).await);
    assert_eq!(got, expected);
}

async fn a_web_socket_goes_over_tls_by_the_older_version(cluster: Cluster) {
    let secure = Secure::start(&cluster, GatewayConfig::default()).await;
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    let socket = secure.connect(&[b"http/1.1"], None).await;
    let url = format!("wss://localhost/hub?access_token={ada}");
    let (mut socket, _) = client_async(url, socket).await.unwrap();
    socket.send(tungstenite::Message::text("{\"protocol\":\"json\",\"version\":1}\u{1e}")).await.unwrap();
    let mut next = async || match timeout(TIMEOUT, socket.next()).await.expect("something comes") {
        Some(Ok(tungstenite::Message::Text(text))) => text.to_string(),
        other => panic!("no text, but {other:?}"),
    };
    assert_eq!(next().await, "{}\u{1e}");
    for id in ["1", "2"] {
        secure.publish(&app, &event(id, "user:ada")).await;
        let told = next().await;
        assert!(told.contains(&format!("\"id\":\"{id}\"")), "{told}");
    }
    // More than one record of TLS holds, in and out.
    let unknown = json!({ "type": 1, "invocationId": "x".repeat(20_000), "target": "Nothing", "arguments": [] });
    for _ in 0..3 {
        socket.send(tungstenite::Message::text(format!("{unknown}\u{1e}"))).await.unwrap();
    }
    for _ in 0..3 {
        let answer = timeout(TIMEOUT, socket.next()).await.expect("it is answered").unwrap().unwrap();
        assert!(answer.to_text().unwrap().contains("Unknown hub method"), "{answer}");
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = timeout(TIMEOUT, socket.next()).await.expect("it ends") {}
}

async fn a_stopping_pod_sends_away_what_listens_over_tls(cluster: Cluster) {
    let secure = Secure::start(&cluster, GatewayConfig::default()).await;
    let ada = cluster.token("ada", "prod");
    let http2 = Http2::over(secure.connect(&[b"h2"], None).await).await;
    let mut tabs = [secure.listen(&ada, None).await, http2.events(&secure.url(), &ada, None).await];
    // It only holds its connection.
    let _silent = TcpStream::connect(secure.pod.url.strip_prefix("http://").unwrap()).await.unwrap();
    secure.pod.stop().await;
    for tab in &mut tabs {
        assert_eq!(tab.next_or_end().await, None, "nothing was published");
        assert!(tab.retry.is_some_and(|wait| wait >= 200), "it says when to come back: {:?}", tab.retry);
    }
    http2.ended().await;
}

async fn a_certificate_is_shown_once_its_files_have_changed(cluster: Cluster) {
    let secure = Secure::start(&cluster, GatewayConfig::default()).await;
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    let mut tab = secure.listen(&ada, None).await;
    let shown = || certificate_of(&secure.pod);
    let first = shown().await;
    // In between the files do not belong together.
    let other = tempfile::tempdir().unwrap();
    make_certificate(other.path(), "second", "2");
    std::fs::copy(other.path().join("certificate.pem"), secure.folder.path().join("certificate.pem")).unwrap();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(shown().await, first);
    }
    std::fs::copy(other.path().join("key.pem"), secure.folder.path().join("key.pem")).unwrap();
    until("the other is shown", async || (shown().await != first).then_some(())).await;
    secure.publish(&app, &event("1", "user:ada")).await;
    assert_eq!(tab.next_ids(1).await, ["1"], "who is connected stays so");
    std::fs::write(secure.folder.path().join("certificate.pem"), "nothing").unwrap();
    std::fs::remove_file(secure.folder.path().join("key.pem")).unwrap();
    let second = shown().await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(shown().await, second, "what cannot be used changes nothing");
    }
}

/// The certificate that a pod shows, believed or not.
async fn certificate_of(pod: &Pod) -> String {
    let host = pod.url.strip_prefix("http://").unwrap().to_owned();
    let shown = tokio::task::spawn_blocking(move || {
        Command::new("openssl")
            .args(["s_client", "-connect", &host, "-alpn", "h2"])
            .stdin(std::process::Stdio::null())
            .output()
    });
    let shown = String::from_utf8(shown.await.unwrap().unwrap().stdout).unwrap();
    let begin = shown.find("-----BEGIN").unwrap_or_else(|| panic!("no certificate: {shown}"));
    shown[begin..shown.find("-----END").unwrap()].to_owned()
}

async fn files_that_cannot_be_used_are_named_at_start(cluster: Cluster) {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make_certificate(one.path(), "one", "2");
    make_certificate(two.path(), "two", "2");
    let file = |folder: &TempDir, name: &str| folder.path().join(name).display().to_string();
    let (certificate, key) = (file(&one, "certificate.pem"), file(&one, "key.pem"));
    let missing = file(&one, "missing.pem");
    let text = file(&one, "text.pem");
    std::fs::write(&text, "no PEM").unwrap();
    let broken = file(&one, "broken.pem");
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for (certificate, key, words) in [
        (&missing, &key, ["gateway.tls.certificate_file", "missing.pem", "No such file"]),
        (&text, &key, ["gateway.tls.certificate_file", "text.pem", "no certificate in PEM"]),
        (&key, &key, ["gateway.tls.certificate_file", "key.pem", "no certificate in PEM"]),
        (&broken, &key, ["gateway.tls.certificate_file", "broken.pem", "its first certificate is none"]),
        (&certificate, &missing, ["gateway.tls.key_file", "missing.pem", "No such file"]),
        (&certificate, &certificate, ["gateway.tls.key_file", "certificate.pem", "no private key in PEM"]),
        (&certificate, &file(&two, "key.pem"), ["gateway.tls.key_file", "key.pem", "not the key of the certificate"]),
    ] {
        let flags = [("gateway.tls.certificate_file", certificate), ("gateway.tls.key_file", key)];
        let flags = flags.map(|(name, value)| (name.to_owned(), value.clone())).into();
        let settings = Settings::read(Layers { flags, ..Layers::default() }).unwrap();
        let error = cluster.refused_pod(settings.section("gateway").unwrap());
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        assert!(error.contains("BELLWIRE_GATEWAY__TLS__"), "{error}");
    }
    for alone in ["gateway.tls.certificate_file", "gateway.tls.key_file"] {
        let flags = [(alone.to_owned(), certificate.clone())].into();
        let settings = Settings::read(Layers { flags, ..Layers::default() }).unwrap();
        let error = settings.section::<GatewayConfig>("gateway").unwrap_err().to_string();
        assert!(error.contains("key_file") || error.contains("certificate_file"), "{error}");
    }
    // One that has expired is shown all the same: that it is refused tells the operator more than a pod that is away.
    let expired = tempfile::tempdir().unwrap();
    make_expired(expired.path());
    let tls = TlsConfig {
        certificate_file: expired.path().join("certificate.pem"),
        key_file: expired.path().join("key.pem"),
        refresh: Duration::from_secs(10),
    };
    let pod = cluster.pod_with(GatewayConfig { tls: Some(tls), ..GatewayConfig::default() }).await;
    certificate_of(&pod).await;
}

async fn whoever_speaks_without_tls_is_told_so(cluster: Cluster) {
    let secure = Secure::start(&cluster, GatewayConfig::default()).await;
    let mut socket = TcpStream::connect(secure.pod.url.strip_prefix("http://").unwrap()).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(TIMEOUT, socket.read_to_string(&mut answer)).await.expect("it is answered").ok();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
    // And others still get in.
    secure.listen(&cluster.token("ada", "prod"), None).await;
}
