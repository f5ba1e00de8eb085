//! `bellwire token`: signs a user's token with an environment's key.

use std::time::Duration;

use anyhow::ensure;
use gateway::{Claims, Key};
use jiff::Timestamp;
use model::audience::is_id;
use process::{Environments, ExposeSecret, Settings};

use crate::{environment::Target, terminal::print};

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) target: Target,

    /// The user id
    #[arg(long, value_name = "ID")]
    user: String,

    /// The groups the user is in
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    groups: Vec<String>,

    /// The user's permissions beyond listening, separated by spaces: tasks (start, cancel, answer, keep files), publish,
    /// publish:tasks (events of tasks, for workers), publish:everywhere, operate (all schedules). None, if it is left out
    #[arg(long, value_name = "WORDS", default_value = "")]
    scope: String,

    /// Its lifetime, as in 30m, 1h, 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    expires: Duration,
}

/// Prints the token alone, so that a script can take it.
pub(crate) async fn sign(settings: Settings, flags: Flags) -> anyhow::Result<()> {
    ensure!(is_id(&flags.user), "--user: a user id has 1 to 256 bytes and no white space");
    ensure!(flags.groups.iter().all(|group| is_id(group)), "--groups: a name has 1 to 256 bytes and no white space");
    let environments = Environments::read(&settings)?;
    let environment = environments.select(flags.target.environment.as_ref())?;
    let secret = environments.key(&settings, &environment.name)?;
    let now = Timestamp::now().as_second();
    let claims = Claims {
        sub: flags.user,
        env: environment.name.to_string(),
        groups: flags.groups,
        scope: flags.scope,
        exp: now.saturating_add(i64::try_from(flags.expires.as_secs())?),
        iat: Some(now),
        iss: environment.issuer.clone(),
        aud: environment.audience.clone(),
    };
    let key = Key::hs256(secret.expose_secret(), None, None).reading(environment.claims.clone(), environment.leeway);
    print(&key.sign(&claims)?)?;
    Ok(())
}
