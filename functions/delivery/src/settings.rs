//! `[delivery]`, `[mail]` and `[[webhook]]`.

use std::sync::Arc;

use process::{ConfigError, Settings};
use serde::Deserialize;

use crate::{WebhookConfig, deliver::Delivery, link::Link, mail::Mailer};

/// `[delivery]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryConfig {
    /// `BELLWIRE_DELIVERY__LINK`: the page that has people sign in and fetch the file whose path stands in place of `{path}`; a
    /// gateway's own page is `https://bellwire.example/#file={path}`. No default where mail or webhooks are set.
    pub link: Option<Link>,
}

impl Delivery {
    /// Reads the settings, with the files that they name.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let DeliveryConfig { link } = settings.section("delivery")?;
        let mailer = Mailer::read(settings)?.map(Arc::new);
        let webhooks: Vec<_> = WebhookConfig::read_all(settings)?.into_iter().map(Arc::new).collect();
        if link.is_none() && (mailer.is_some() || !webhooks.is_empty()) {
            let reason = "mails and webhooks tell the address of a file; name the page that fetches it, as in \
                          https://bellwire.example/#file={path}";
            return Err(settings.invalid("delivery.link", reason));
        }
        Ok(Self { link, mailer, webhooks })
    }
}
