//! A real identity provider (oidc-provider, in a process of its own): its tokens are taken, whatever becomes of its keys.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use gateway::{Key, Provider};
use process::{ClaimNames, ProviderConfig, Texts};
use reqwest::{Certificate, Client};
use scenarios::{
    Cluster, EventStream, Pod, TIMEOUT,
    cluster::{answer, event},
    over_both_backplanes, until,
};
use serde_json::{Value, json};
use tokio::{task::spawn_blocking, time::timeout};

over_both_backplanes! {
    a_token_of_an_identity_provider_is_taken_in_each_algorithm_and_in_its_environment_alone,
    two_providers_of_one_environment_are_told_apart_by_their_issuers_or_by_their_keys,
    a_new_key_is_found_while_the_old_ones_serve_and_one_that_is_gone_serves_no_more,
    while_the_provider_is_away_its_tokens_stay_good,
    a_provider_that_was_never_reached_harms_nobody_else,
    a_token_for_another_application_is_refused_and_the_claim_is_named,
    the_providers_server_may_show_a_certificate_that_the_settings_name_and_no_other,
}

const ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

/// The provider.
struct Login {
    issuer: String,
    client: Client,
    process: Child,
}

impl Drop for Login {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Login {
    async fn start() -> Self {
        Self::start_with(None).await
    }

    /// With a folder it speaks TLS, with the key and the certificate there.
    async fn start_with(tls: Option<&Path>) -> Self {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/identity"));
        let is_installed = folder.join("node_modules").exists();
        assert!(is_installed, "run `make test`, or `npm ci` in tests/identity: the identity provider is not there");
        let mut command = Command::new("node");
        command
            .arg("provider.js")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut client = Client::builder();
        if let Some(tls) = tls {
            command.arg(tls);
            let certificate = std::fs::read(tls.join("certificate.pem")).unwrap();
            client = client.tls_certs_merge(Certificate::from_pem_bundle(&certificate).unwrap());
        }
        let client = client.build().unwrap();
        let mut process = command.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut login = Self { issuer: String::new(), client, process };
        let first = spawn_blocking(|| output.lines().map_while(Result::ok).find(|line| line.starts_with("http")));
        // Keys of RSA take their time on a busy machine.
        login.issuer =
            timeout(4 * TIMEOUT, first).await.expect("it starts").unwrap().expect("it says where it listens");
        login
    }

    /// A token for an audience, signed by this algorithm.
    async fn token(&self, audience: &str, algorithm: &str) -> String {
        let resource = format!("https://bellwire.example/{audience}/{algorithm}");
        let form = format!("grant_type=client_credentials&scope=tasks%20publish&resource={resource}");
        let request =
            self.client.post(format!("{}/token", self.issuer)).basic_auth("ada", Some("a secret of this test"));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let (status, said) = answer(request).await;
        assert_eq!(status, 200, "{said}");
        said["access_token"].as_str().unwrap().to_owned()
    }

    async fn tell(&self, word: &str) {
        self.client.post(format!("{}/test/{word}", self.issuer)).send().await.unwrap();
    }

    /// Takes its tokens for `bellwire-<environment>` into an environment.
    fn config(&self, environment: &str) -> ProviderConfig {
        ProviderConfig {
            issuer: Some(self.issuer.clone()),
            audience: Texts::of(&[&format!("bellwire-{environment}")]),
            // Only an unknown key has them read again, unless a test says otherwise.
            refresh: Duration::from_secs(3600),
            refresh_at_soonest: Duration::from_millis(10),
            ..ProviderConfig::default()
        }
    }
}

fn add(cluster: &mut Cluster, environment: &str, config: &ProviderConfig) {
    let names = ClaimNames { groups: Texts::of(&["realm_access.roles"]), ..ClaimNames::default() };
    let provider = Provider::new(config, &names, Duration::from_secs(30)).unwrap();
    cluster.change_key(environment, |key: Key| key.with_providers(vec![provider]));
}

async fn status(pod: &Pod, token: &str) -> (u16, Value) {
    answer(pod.request("GET", "/api/tasks", token)).await
}

/// Waits until a token is taken; until then it is only put off.
async fn is_taken_in_the_end(pod: &Pod, token: &str) {
    until("the token is taken", async || match status(pod, token).await {
        (200, _) => Some(()),
        (503, problem) => {
            assert_eq!(problem["type"], "urn:bellwire:problem:token-keys-unknown", "{problem}");
            None
        }
        other => panic!("{other:?}"),
    })
    .await;
}

async fn a_token_of_an_identity_provider_is_taken_in_each_algorithm_and_in_its_environment_alone(mut cluster: Cluster) {
    let login = Login::start().await;
    add(&mut cluster, "prod", &login.config("prod"));
    // The other finds its keys by their address, and its issuer in the token alone.
    let keys = ProviderConfig { jwks_url: Some(format!("{}/jwks", login.issuer)), ..login.config("test") };
    add(&mut cluster, "test", &keys);
    let pod = cluster.pod().await;
    for algorithm in ALGORITHMS {
        let [prod, test] =
            [login.token("bellwire-prod", algorithm).await, login.token("bellwire-test", algorithm).await];
        let mut stream = EventStream::connect(&pod.url, &prod, None).await;
        let mut other = EventStream::connect(&pod.url, &test, None).await;
        for (token, environment) in [(&prod, "prod"), (&test, "test")] {
            for audience in ["user:ada", "group:ops"] {
                pod.publish(token, &event(&format!("{algorithm} {environment} {audience}"), audience)).await;
            }
        }
        assert_eq!(
            stream.next_ids(2).await,
            [format!("{algorithm} prod user:ada"), format!("{algorithm} prod group:ops")]
        );
        assert_eq!(
            other.next_ids(2).await,
            [format!("{algorithm} test user:ada"), format!("{algorithm} test group:ops")]
        );
    }
    assert_eq!(status(&pod, &cluster.token("ada", "prod")).await.0, 200, "the secret's tokens are taken beside them");
}

async fn two_providers_of_one_environment_are_told_apart_by_their_issuers_or_by_their_keys(mut cluster: Cluster) {
    let (one, two) = tokio::join!(Login::start(), Login::start());
    let of = |environment: &str, by_keys_alone: bool| {
        let of_login = |login: &Login, prefix: &str| {
            let mut config = ProviderConfig { prefix: prefix.to_owned(), ..login.config(environment) };
            if by_keys_alone {
                config = ProviderConfig { jwks_url: Some(format!("{}/jwks", login.issuer)), issuer: None, ..config };
            }
            Provider::new(&config, &ClaimNames::default(), Duration::from_secs(30)).unwrap()
        };
        vec![of_login(&one, "one:"), of_login(&two, "two:")]
    };
    cluster.change_key("prod", |key| key.with_providers(of("prod", false)));
    cluster.change_key("test", |key| key.with_providers(of("test", true)));
    let pod = cluster.pod().await;
    for environment in ["prod", "test"] {
        let audience = format!("bellwire-{environment}");
        let [ada_of_one, ada_of_two] = [one.token(&audience, "ES256").await, two.token(&audience, "ES256").await];
        is_taken_in_the_end(&pod, &ada_of_two).await;
        let mut stream = EventStream::connect(&pod.url, &ada_of_two, None).await;
        for audience in ["user:ada", "user:one:ada", "user:two:ada"] {
            pod.publish(&ada_of_one, &event(audience, audience)).await;
        }
        assert_eq!(stream.next_ids(1).await, ["user:two:ada"], "{environment}");
    }
}

async fn a_new_key_is_found_while_the_old_ones_serve_and_one_that_is_gone_serves_no_more(mut cluster: Cluster) {
    let login = Login::start().await;
    add(&mut cluster, "prod", &login.config("prod"));
    let pod = cluster.pod().await;
    let old = login.token("bellwire-prod", "ES256").await;
    assert_eq!(status(&pod, &old).await.0, 200);
    login.tell("rotate").await;
    let new = login.token("bellwire-prod", "ES256").await;
    is_taken_in_the_end(&pod, &new).await;
    assert_eq!(status(&pod, &old).await.0, 200, "its key is still among them");
    login.tell("rotate").await;
    login.tell("forget").await;
    is_taken_in_the_end(&pod, &login.token("bellwire-prod", "EdDSA").await).await;
    // Tokens in the leeway could be of a newer key, so they are put off rather than refused.
    assert!([401, 503].contains(&status(&pod, &new).await.0));
    assert_ne!(status(&pod, &old).await.0, 200);
}

async fn while_the_provider_is_away_its_tokens_stay_good(mut cluster: Cluster) {
    let login = Login::start().await;
    add(&mut cluster, "prod", &ProviderConfig { refresh: Duration::from_millis(20), ..login.config("prod") });
    let pod = cluster.pod().await;
    let token = login.token("bellwire-prod", "RS256").await;
    assert_eq!(status(&pod, &token).await.0, 200);
    login.tell("away").await;
    let is_away = "degraded: its keys cannot be read, the old ones serve";
    until("it is missed", async || pod.readiness.describe().contains(is_away).then_some(())).await;
    assert_eq!(status(&pod, &token).await.0, 200);
    assert!(pod.readiness.is_ready(), "{}", pod.readiness.describe());
    login.tell("back").await;
    until("it is found again", async || (!pod.readiness.describe().contains("degraded")).then_some(())).await;
    assert_eq!(status(&pod, &token).await.0, 200);
}

async fn a_provider_that_was_never_reached_harms_nobody_else(mut cluster: Cluster) {
    let login = Login::start().await;
    let token = login.token("bellwire-prod", "RS256").await;
    login.tell("away").await;
    add(&mut cluster, "prod", &login.config("prod"));
    let pod = cluster.pod().await;
    let response = pod.request("GET", "/api/tasks", &token).send().await.unwrap();
    assert_eq!(response.status(), 503, "it is put off and not refused");
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(status(&pod, &cluster.token("ada", "prod")).await.0, 200);
    login.tell("back").await;
    is_taken_in_the_end(&pod, &token).await;
}

async fn a_token_for_another_application_is_refused_and_the_claim_is_named(mut cluster: Cluster) {
    let login = Login::start().await;
    add(&mut cluster, "prod", &ProviderConfig { algorithms: Texts::of(&["ES256"]), ..login.config("prod") });
    let pod = cluster.pod().await;
    assert_eq!(status(&pod, &login.token("bellwire-prod", "ES256").await).await.0, 200);
    let another = login.token("another", "ES256").await;
    let (code, problem) = status(&pod, &another).await;
    assert!(code == 401 && problem["detail"].as_str().unwrap().contains("aud: "), "{problem}");
    // Of an algorithm that the settings do not allow there is no key.
    let (code, problem) = status(&pod, &login.token("bellwire-prod", "RS256").await).await;
    assert!([401, 503].contains(&code), "{problem}");
    let good = login.token("bellwire-prod", "ES256").await;
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    let (code, problem) = status(&pod, &forged).await;
    assert_eq!((code, &problem["type"]), (401, &json!("urn:bellwire:problem:token-foreign")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("signature: "), "{problem}");
}

async fn the_providers_server_may_show_a_certificate_that_the_settings_name_and_no_other(mut cluster: Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("certificate.pem");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=login", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(folder.path().join("key.pem"))
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let login = Login::start_with(Some(folder.path())).await;
    add(&mut cluster, "prod", &ProviderConfig { ca_file: Some(certificate), ..login.config("prod") });
    add(&mut cluster, "test", &login.config("test"));
    let pod = cluster.pod().await;
    assert_eq!(status(&pod, &login.token("bellwire-prod", "ES256").await).await.0, 200);
    assert_eq!(status(&pod, &login.token("bellwire-test", "ES256").await).await.0, 503, "its keys are not read");
    assert!(pod.readiness.describe().contains("test: provider 0"), "{}", pod.readiness.describe());
}
