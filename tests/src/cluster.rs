//! Environments with keys and files; pods and workers that can be stopped and killed.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use gateway::{Claims, Gateway, GatewayConfig, Key, ServedEnvironment};
use model::{Environment, Job, PodId};
use process::{Readiness, Telemetry};
use ring::hmac;
use runtime::{Function, Host, HostConfig, WorkerContext};
use serde_json::{Value, json};
use signing::{SigningKey, Verifier};
use storage::{Storage, StorageConfig};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    EventStream, TIMEOUT, TestBackplane,
    http_client::http_client,
    test_backplane::{ENVIRONMENTS, Role},
};

/// All scopes.
pub const ALL: &str = "publish publish:tasks publish:everywhere tasks";

/// Environments `prod`, `test` and `qa` over one test_backplane.
pub struct Cluster {
    pub test_backplane: TestBackplane,
    pub storage: Storage,
    /// Of the pods and workers that begin from now on.
    pub telemetry: Telemetry,
    keys: HashMap<Environment, Key>,
    files: TempDir,
}

/// A running gateway.
pub struct Pod {
    pub url: String,
    pub readiness: Readiness,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

/// A running worker.
pub struct Worker {
    stop: CancellationToken,
    task: JoinHandle<Result<(), runtime::HostError>>,
}

impl Cluster {
    pub async fn new(test_backplane: TestBackplane) -> Self {
        let files = tempfile::tempdir().unwrap();
        let storage = Storage::open(&StorageConfig::at(format!("file:{}", files.path().display()))).unwrap();
        let environments = ENVIRONMENTS.map(|name| name.parse::<Environment>().unwrap());
        let key = |name: &Environment| (name.clone(), Key::hs256(secret(name).as_bytes(), None, None));
        let keys = environments.iter().map(key).collect();
        Self { test_backplane, storage, telemetry: Telemetry::default(), keys, files }
    }

    /// Changes the key of an environment for pods that begin from now on.
    pub fn change_key(&mut self, environment: &str, change: impl FnOnce(Key) -> Key) {
        let key = self.keys.get_mut(&environment.parse::<Environment>().unwrap()).unwrap();
        *key = change(key.clone());
    }

    /// A ready pod that serves all environments, on a free port.
    pub async fn pod(&self) -> Pod {
        self.pod_with(GatewayConfig::default()).await
    }

    /// A ready pod with these settings.
    pub async fn pod_with(&self, config: GatewayConfig) -> Pod {
        let pod = self.unready_pod(config).await;
        timeout(TIMEOUT, pod.readiness.ready()).await.expect("the pod gets ready");
        pod
    }

    /// A pod that has begun.
    pub async fn unready_pod(&self, config: GatewayConfig) -> Pod {
        let readiness = Readiness::default();
        let gateway = self.bind(config, &readiness).unwrap();
        let url = format!("http://{}", gateway.address().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(gateway.run(stop.clone().cancelled_owned()));
        Pod { url, readiness, stop, task }
    }

    /// Why a pod cannot begin with these settings.
    pub fn refused_pod(&self, config: GatewayConfig) -> String {
        match self.bind(config, &Readiness::default()) {
            Ok(_) => panic!("it can begin"),
            Err(error) => format!("{error:#}"),
        }
    }

    fn bind(&self, config: GatewayConfig, readiness: &Readiness) -> anyhow::Result<Gateway> {
        let served = self.keys.iter().map(|(environment, key)| ServedEnvironment {
            name: environment.clone(),
            key: key.clone(),
            backplane: self.test_backplane.backplane(environment, Role::Gateway),
        });
        let on_any = config.listen == GatewayConfig::default().listen;
        let listen = if on_any { ([127, 0, 0, 1], 0).into() } else { config.listen };
        let default = GatewayConfig::default();
        // Only scenarios about it wait for it, or move what listens.
        let linger = if config.linger == default.linger { Duration::ZERO } else { config.linger };
        let rebalance = if config.rebalance == default.rebalance { 0 } else { config.rebalance };
        let config = GatewayConfig { listen, linger, rebalance, grace: Duration::from_secs(1), ..config };
        Gateway::bind(config, served.collect(), self.storage.clone(), false, readiness, self.telemetry.clone())
    }

    /// What is stored for whomever, without what functions say about themselves.
    pub fn stored_files(&self) -> Vec<PathBuf> {
        let (mut folders, mut files) = (vec![self.files.path().to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true if path.ends_with("~functions") => {}
                    true => folders.push(path),
                    false => files.push(path),
                }
            }
        }
        files
    }

    /// A worker of this function for an environment.
    pub async fn worker(&self, environment: &str, function: impl Function) -> Worker {
        let environment: Environment = environment.parse().unwrap();
        let kind = function.kind();
        self.test_backplane.declare(&environment, std::slice::from_ref(&kind)).await;
        let place = WorkerContext {
            backplane: self.test_backplane.backplane(&environment, Role::Worker(&kind)),
            verifier: verifier(&environment),
            environment,
            storage: self.storage.clone(),
            database: None,
            pod: PodId::worker(),
            telemetry: self.telemetry.clone(),
        };
        let host = Host::new(place, HostConfig::default(), function, &Readiness::default()).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(host.run(stop.clone().cancelled_owned()));
        Worker { stop, task }
    }

    /// A token with all scopes.
    pub fn token(&self, user: &str, environment: &str) -> String {
        self.token_with(environment, |claims| claims.sub = user.to_owned())
    }

    /// A token with some claims changed, signed with an environment's key.
    pub fn token_with(&self, environment: &str, change: impl FnOnce(&mut Claims)) -> String {
        let mut claims = Claims {
            sub: "ada".to_owned(),
            env: environment.to_owned(),
            groups: vec![],
            scope: ALL.to_owned(),
            exp: jiff::Timestamp::now().as_second() + 600,
            iat: None,
            iss: None,
            aud: None,
        };
        change(&mut claims);
        self.keys[&environment.parse::<Environment>().unwrap()].sign(&claims).unwrap()
    }
}

/// A token of these claims and this header, signed with an environment's secret by HS256 whatever the header says.
pub fn token_of(environment: &str, header: &Value, claims: &str) -> String {
    let secret = secret(&environment.parse().unwrap());
    let signed = format!(
        "{}.{}",
        BASE64URL_NOPAD.encode(header.to_string().as_bytes()),
        BASE64URL_NOPAD.encode(claims.as_bytes())
    );
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
}

impl Pod {
    /// Listens as a user, from now on.
    pub async fn browser(&self, cluster: &Cluster, user: &str, environment: &str) -> EventStream {
        EventStream::connect(&self.url, &cluster.token(user, environment), None).await
    }

    /// Makes a request with a token.
    pub fn request(&self, method: &str, path: &str, token: &str) -> reqwest::RequestBuilder {
        let method = method.parse().unwrap();
        http_client().request(method, format!("{}{path}", self.url)).bearer_auth(token)
    }

    /// Publishes an event; it must be accepted.
    pub async fn publish(&self, token: &str, event: &Value) {
        let (status, answer) = self.try_publish("/api/events", token, event).await;
        assert_eq!(status, 202, "{answer}");
    }

    /// Publishes an event and says what was answered.
    pub async fn try_publish(&self, path: &str, token: &str, event: &Value) -> (u16, Value) {
        let request = self.request("POST", path, token).header("content-type", "application/cloudevents+json");
        answer(request.body(event.to_string())).await
    }

    /// Kills it: its connections break, nobody is told.
    pub async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
    }

    /// Tells it to stop, and does not wait for that.
    pub fn tell_to_stop(&self) {
        self.stop.cancel();
    }

    /// Stops it as Kubernetes would.
    pub async fn stop(self) {
        self.stop.cancel();
        timeout(TIMEOUT, self.task).await.expect("it stops").unwrap().unwrap();
    }
}

impl Worker {
    /// Kills it: what it held comes again.
    pub async fn kill(self) {
        self.task.abort();
        self.task.await.ok();
    }

    /// Stops it as Kubernetes would.
    pub async fn stop(self) {
        self.stop.cancel();
        timeout(TIMEOUT, self.task).await.expect("it stops").unwrap().unwrap();
    }
}

fn secret(environment: &Environment) -> String {
    format!("the secret of {environment}, which is long enough")
}

/// The key with which the gateways of an environment sign.
pub fn signing_key(environment: &Environment) -> SigningKey {
    SigningKey::derived_from(secret(environment).as_bytes())
}

/// The job as the gateways of an environment submit it.
pub fn granted(environment: &Environment, job: Job) -> Job {
    signing_key(environment).grant(environment, job)
}

/// Verifies what the gateways of an environment sign, for its workers.
pub fn verifier(environment: &Environment) -> Verifier {
    Verifier::of(environment, &signing_key(environment))
}

/// The status and JSON of an answer.
pub async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// A CloudEvent of this id for an audience.
pub fn event(id: &str, audience: &str) -> Value {
    json!({ "specversion": "1.0", "id": id, "source": "/test", "type": "test.said", "audience": audience, "data": { "said": id } })
}
