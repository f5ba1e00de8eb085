//! The backplane under a scenario.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use backplane::{Backplane, BackplaneConfig, memory::Broker};
use model::{Environment, Kind};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::NetworkProxy;

/// Memory, or a RabbitMQ under a prefix of its own and as the users of each role, since an operator's rights hide
/// every mistake.
#[derive(Clone)]
pub enum TestBackplane {
    Memory(Broker),
    RabbitMq { operator: url::Url, prefix: String },
}

/// Who speaks to the broker.
#[derive(Clone, Copy)]
pub enum Role<'a> {
    Gateway,
    Worker(&'a Kind),
    Publisher,
    Everywhere,
}

/// The environments of every scenario.
pub const ENVIRONMENTS: [&str; 3] = ["prod", "test", "qa"];
/// The kinds of function that scenarios run.
const KINDS: [&str; 6] = ["imports", "patient", "quick", "reports", "told", "workflows"];
const PASSWORD: &str = "scenario";

/// Prefixes whose users exist and that nobody has used; making users takes rabbitmqctl a second, so many at once.
static PREFIXES: Mutex<Vec<String>> = Mutex::const_new(Vec::new());
const PREFIXES_AT_ONCE: usize = 12;

impl TestBackplane {
    pub fn memory() -> Self {
        Self::Memory(Broker::new())
    }

    pub async fn rabbitmq() -> Self {
        let url = std::env::var("BELLWIRE_TEST_AMQP_URL").expect("run `make test`, which starts a broker");
        let mut prefixes = PREFIXES.lock().await;
        if prefixes.is_empty() {
            *prefixes = tokio::task::spawn_blocking(make_users).await.unwrap();
        }
        let test_backplane = Self::RabbitMq { operator: url.parse().unwrap(), prefix: prefixes.pop().unwrap() };
        drop(prefixes);
        for environment in ENVIRONMENTS {
            test_backplane.declare(&environment.parse().unwrap(), &[]).await;
        }
        test_backplane
    }

    /// Declares what an environment needs, as its operator.
    pub async fn declare(&self, environment: &Environment, kinds: &[Kind]) {
        if let Self::RabbitMq { operator, prefix } = self {
            let config =
                BackplaneConfig { url: operator.to_string(), prefix: prefix.parse().unwrap(), ..Default::default() };
            Backplane::declare(&config, environment, kinds).await.unwrap();
        }
    }

    /// The same, seen through a network that can be cut.
    pub async fn behind_a_proxy(&self, is_open: bool) -> (Self, NetworkProxy) {
        let Self::RabbitMq { operator, prefix } = self else {
            panic!("there is no network within a process");
        };
        let mut operator = operator.clone();
        let target = format!("{}:{}", operator.host_str().unwrap(), operator.port().unwrap_or(5672));
        let proxy = NetworkProxy::to(target, is_open).await;
        operator.set_host(Some("127.0.0.1")).unwrap();
        operator.set_port(Some(proxy.address.port())).unwrap();
        (Self::RabbitMq { operator, prefix: prefix.clone() }, proxy)
    }

    /// The backplane of an environment, as somebody of this role.
    pub fn backplane(&self, environment: &Environment, role: Role<'_>) -> Backplane {
        match self {
            Self::Memory(broker) => broker.environment(environment),
            Self::RabbitMq { .. } => Backplane::open(&self.config(environment, role), environment).unwrap(),
        }
    }

    /// How somebody of this role reaches the broker, which is not memory.
    pub fn config(&self, environment: &Environment, role: Role<'_>) -> BackplaneConfig {
        let Self::RabbitMq { operator, prefix } = self else {
            panic!("there is no broker within a process");
        };
        let user = match role {
            Role::Gateway => format!("{prefix}.{environment}.gateway"),
            Role::Worker(kind) => format!("{prefix}.{environment}.worker.{kind}"),
            Role::Publisher => format!("{prefix}.{environment}.publisher"),
            Role::Everywhere => format!("{prefix}.everywhere"),
        };
        let mut url = operator.clone();
        url.set_username(&user).unwrap();
        url.set_password(Some(PASSWORD)).unwrap();
        BackplaneConfig { url: url.into(), prefix: prefix.parse().unwrap(), ..Default::default() }
    }
}

/// Makes the users of all roles for new prefixes, with the script that operators use.
fn make_users() -> Vec<String> {
    let prefixes: Vec<_> = (0..PREFIXES_AT_ONCE).map(|_| format!("t{:08x}", rand::random::<u32>())).collect();
    let mut all = json!({ "users": [], "permissions": [] });
    for prefix in &prefixes {
        let environments = ENVIRONMENTS.iter().map(|name| (*name, &KINDS[..])).chain([("everywhere", &[][..])]);
        for (environment, kinds) in environments {
            let definitions = roles(prefix, environment, kinds);
            for list in ["users", "permissions"] {
                let more = definitions[list].as_array().unwrap().clone();
                all[list].as_array_mut().unwrap().extend(more);
            }
        }
    }
    import(&all);
    prefixes
}

fn roles(prefix: &str, environment: &str, kinds: &[&str]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/rabbitmq/roles.sh");
    let mut command = Command::new(script);
    command.arg(environment).args(kinds).env("BELLWIRE_PREFIX", prefix).env("BELLWIRE_PASSWORDS", "");
    for role in ["TOPOLOGY", "GATEWAY", "WORKER", "PUBLISHER", "OPERATOR", "SCALER", "EVERYWHERE"] {
        command.env(format!("BELLWIRE_{role}_PASSWORD"), PASSWORD);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn import(definitions: &Value) {
    let program =
        std::env::var("BELLWIRE_TEST_RABBITMQCTL").expect("run `make test`, whose broker is ours to add users to");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(definitions.to_string().as_bytes()).unwrap();
    let mut command = Command::new(program);
    command.arg("import_definitions").arg(file.path()).stdout(Stdio::null());
    assert!(command.status().unwrap().success(), "the broker did not take the users");
}
