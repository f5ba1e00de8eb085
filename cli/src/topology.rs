//! `bellwire topology`: declares an environment on the broker, as a user who may.

use backplane::Backplane;
use model::Kind;
use process::Settings;

use crate::{
    environment::{self, Target},
    terminal::print,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) target: Target,

    /// The kinds of function that get queues
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', default_value = "imports,reports,workflows")]
    kinds: Vec<Kind>,
}

/// Declares what is missing and leaves the rest as it is.
pub(crate) async fn declare(settings: Settings, flags: Flags) -> anyhow::Result<()> {
    let environment = environment::select(&settings, flags.target.environment.as_ref())?;
    let config = environment::backplane_config(&settings, &environment)?;
    Backplane::declare(&config, &environment, &flags.kinds).await?;
    let kinds: Vec<_> = flags.kinds.iter().map(Kind::as_str).collect();
    print(&format!("{environment} has its names on the broker, with queues for {}", kinds.join(", ")))?;
    Ok(())
}
