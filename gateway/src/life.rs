//! The life of a gateway process: settings, ports, serving, the end.

use backplane::Backplane;
use process::{Admin, Environments, ExposeSecret, ProcessContext, Settings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use storage::{Storage, StorageConfig};
use tracing::{info, warn};

use crate::{config::GatewayConfig, pod::Served, server::Gateway, token::Key};

/// Files beside those of who listens: requests, the broker, uploads.
const OTHER_FILES: u64 = 1000;

/// Serves all configured environments until the process is told to stop.
pub async fn serve(life: ProcessContext) -> anyhow::Result<()> {
    let ProcessContext { settings, readiness, signals } = life;
    let config: GatewayConfig = settings.section("gateway")?;
    let storage = Storage::open(&settings.section::<StorageConfig>("storage")?)?;
    let served = environments(&settings)?;
    allow_files(config.connections);
    let admin = Admin::bind(&config.admin_listen.to_string(), readiness.clone()).await?;
    let gateway = Gateway::bind(config, served, storage, false, &readiness).await?;
    info!(address = %gateway.address()?, admin = %admin.address(), "serving");
    admin.serve_during(gateway.run(signals.stop().cancelled_owned())).await?
}

fn environments(settings: &Settings) -> anyhow::Result<Vec<Served>> {
    let environments = Environments::read(settings)?;
    let served = environments.all().iter().map(|one| {
        let secret = environments.key(settings, &one.name)?;
        let key = Key::hs256(secret.expose_secret(), one.issuer.as_deref(), one.audience.as_deref());
        let backplane = Backplane::open(&environments.backplane(settings, &one.name)?, &one.name)?;
        Ok(Served { environment: one.name.clone(), key, backplane })
    });
    served.collect()
}

/// Each connection is an open file, and the limit that a process is started with is often a low one that it may raise.
fn allow_files(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let may_open = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if raised.is_err() || may_open < connections as u64 + OTHER_FILES {
        warn!(may_open, connections, "this process may open fewer files than gateway.connections asks for (ulimit -n)");
    }
}
