//! The flags of `bellwire dev`.

use std::path::PathBuf;

use ::process::{Layers, Options};
use model::Kind;

/// The flags of `bellwire dev`, and of the `dev` command of a function's own program.
#[derive(Debug, Clone, clap::Args)]
pub struct Flags {
    #[command(flatten)]
    options: Options,

    /// Where browsers and programs connect
    #[arg(long, default_value_t = 8080)]
    port: u16,

    /// Where files and tables are kept
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub(crate) data: PathBuf,

    /// A RabbitMQ, as amqp://guest:guest@localhost, so that workers of other programs take part; else all is in memory
    #[arg(long, value_name = "URL")]
    pub(crate) backplane: Option<String>,

    /// The kinds of function that other programs do, beside those of this one
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', requires = "backplane")]
    pub(crate) kinds: Vec<Kind>,

    /// Listen beyond loopback where --set gateway.listen says so: whoever reaches the port becomes anybody
    #[arg(long)]
    pub(crate) tokens_for_the_whole_network: bool,
}

/// The names on a broker that others may share begin with this: a deployment's begin with `bellwire`.
const PREFIX: &str = "bellwire-dev";

impl Flags {
    /// What these flags say and nothing of a deployment on this machine: whoever reaches the port gets a token, and a
    /// deployment's databases are not theirs. And in words what is there and left out.
    pub(crate) fn layers(&self) -> (Layers, Option<String>) {
        self.with_defaults().layers_of_flags()
    }

    /// Overrides every setting of a real deployment's file that this command must not use; `--set` overrides these.
    fn with_defaults(&self) -> Options {
        let data = self.data.display();
        let defaults = [
            ("gateway.listen", format!("127.0.0.1:{}", self.port)),
            ("gateway.admin_listen", "127.0.0.1:0".to_owned()),
            ("gateway.linger", "0s".to_owned()),
            ("gateway.grace", "1s".to_owned()),
            ("gateway.most_age", "0s".to_owned()),
            ("gateway.rebalance", "0".to_owned()),
            ("gateway.schedules_for", "*".to_owned()),
            ("imports.host.grace", "5s".to_owned()),
            ("reports.host.grace", "5s".to_owned()),
            ("workflows.host.grace", "5s".to_owned()),
            ("storage.url", format!("file:{data}/files")),
            ("database.url", format!("sqlite://{data}/bellwire.db")),
        ];
        let broker = self
            .backplane
            .iter()
            .flat_map(|url| [("backplane.url", url.clone()), ("backplane.prefix", PREFIX.to_owned())]);
        let mut set: Vec<_> =
            defaults.into_iter().chain(broker).map(|(path, value)| (path.to_owned(), value)).collect();
        set.extend(self.options.set.iter().cloned());
        Options { set, ..self.options.clone() }
    }
}
