//! Runs a gateway process: reads the settings, binds the ports, and serves until it is told to stop.

use anyhow::Context;
use backplane::Backplane;
use process::{Admin, EnvironmentConfig, Environments, ExposeSecret, ProcessContext, Settings};
use storage::{FilesConfig, Storage, StorageConfig};
use tracing::info;

use crate::{
    config::GatewayConfig,
    server::Gateway,
    start::ServedEnvironment,
    token::{Key, Provider},
};

/// Serves all configured environments until the process is told to stop.
pub async fn serve(context: ProcessContext) -> anyhow::Result<()> {
    let ProcessContext { settings, readiness, signals, telemetry } = context;
    let config: GatewayConfig = settings.section("gateway")?;
    let storage = Storage::open(&settings.section::<StorageConfig>("storage")?)?;
    let storage = storage.with_limits(settings.section::<FilesConfig>("files")?);
    let served = environments(&settings)?;
    let admin = Admin::open(&settings, config.admin_listen, readiness.clone()).await?;
    let admin_address = admin.address();
    let serving = async {
        // A store that hangs is waited for; the process is alive meanwhile, and not ready.
        storage.check_at_start().await?;
        let gateway = Gateway::bind(config, served, storage, false, &readiness, telemetry)?;
        info!(address = %gateway.address()?, admin = %admin_address, "serving");
        gateway.run(signals.stop().cancelled_owned()).await
    };
    admin.serve_during(serving).await?
}

fn environments(settings: &Settings) -> anyhow::Result<Vec<ServedEnvironment>> {
    let environments = Environments::read(settings)?;
    let served = environments.all().iter().map(|environment| {
        let key = key(settings, &environments, environment)?;
        let backplane = Backplane::open(&environments.backplane(settings, &environment.name)?, &environment.name)?;
        Ok(ServedEnvironment { name: environment.name.clone(), key, backplane })
    });
    served.collect()
}

/// The key of an environment, with its identity providers.
fn key(settings: &Settings, environments: &Environments, environment: &EnvironmentConfig) -> anyhow::Result<Key> {
    let secret = environments.key(settings, &environment.name)?;
    let mut providers = Vec::new();
    for config in environments.providers(settings, &environment.name)? {
        let provider = Provider::new(&config, &environment.claims, environment.leeway);
        providers.push(provider.with_context(|| format!("an identity provider of environment {}", environment.name))?);
    }
    let key = Key::hs256(secret.expose_secret(), environment.issuer.as_deref(), environment.audience.as_deref())
        .trusting(environment.gateway_key.clone())
        .reading(environment.claims.clone(), environment.leeway)
        .with_providers(providers);
    Ok(if environment.hs256_tokens { key } else { key.without_own_tokens() })
}
