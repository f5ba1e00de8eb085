//! A function of one's own beside the built-in ones.

use std::time::Duration;

use ::process::{Readiness, Settings};
use runtime::{Function, Host, HostConfig, Worker, WorkerContext};

/// A job of a function that is being developed may go on for so long when the process is stopped.
const GRACE: Duration = Duration::from_secs(5);

type MakeHost = Box<dyn Fn(&Settings, &WorkerContext, &Readiness) -> anyhow::Result<Host>>;

/// A function that runs beside the built-in ones.
pub struct OwnFunction(MakeHost);

impl OwnFunction {
    /// The function that `build` makes of the settings, once for each environment.
    pub fn new<F: Function>(build: impl Fn(&Settings) -> anyhow::Result<Worker<F>> + 'static) -> Self {
        Self(Box::new(move |settings, context, readiness| {
            let Worker { host, function, .. } = build(settings)?;
            let host = HostConfig { grace: host.grace.min(GRACE), ..host };
            Ok(Host::new(context.clone(), host, function, readiness)?)
        }))
    }

    /// Its host in one environment.
    pub(crate) fn host(
        &self,
        settings: &Settings,
        context: &WorkerContext,
        readiness: &Readiness,
    ) -> anyhow::Result<Host> {
        (self.0)(settings, context, readiness)
    }
}
