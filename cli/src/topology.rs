//! `bellwire topology`: declares an environment on the broker, as a user who may.

use backplane::Backplane;
use model::{Environment, Kind};
use process::{Options, Settings};

use crate::{environment, terminal::print};

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) options: Options,

    /// For which environment; may be left out where the settings hold one
    #[arg(long, value_name = "NAME")]
    environment: Option<Environment>,

    /// The kinds of function that get queues
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', default_value = "imports,reports,workflows")]
    kinds: Vec<Kind>,
}

/// Declares what is missing and leaves the rest as it is.
pub(crate) async fn declare(settings: Settings, flags: Flags) -> anyhow::Result<()> {
    let environment = environment::select(&settings, flags.environment.as_ref())?;
    let config = environment::backplane_config(&settings, &environment)?;
    Backplane::declare(&config, &environment, &flags.kinds).await?;
    let kinds: Vec<_> = flags.kinds.iter().map(Kind::as_str).collect();
    print(&format!("{environment} has its names on the broker, with queues for {}", kinds.join(", ")))?;
    Ok(())
}
