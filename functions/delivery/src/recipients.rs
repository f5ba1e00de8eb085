//! `deliver` of a schedule: who gets what its tasks make.

use std::collections::BTreeSet;

use lettre::{Address, message::Mailbox};
use model::{Audience, Term, audience};
use runtime::definitions::WrongAt;
use serde::Deserialize;
use url::Host;

/// The most addresses of one schedule; a mailing list is one.
const MAX_ADDRESSES: usize = 100;
/// The most webhooks of one schedule.
const MAX_WEBHOOKS: usize = 10;

/// Who gets what the tasks of a schedule make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipients {
    /// People who see a toast and may fetch the file: `user:<id>`, `group:<name>`, `environment`.
    pub to: Vec<String>,
    /// Addresses, each with or without a name: `Ada Lovelace <ada@example.com>`.
    pub mail: Vec<String>,
    /// Names of webhooks in the worker's settings.
    pub webhooks: Vec<String>,
    /// True if what has no rows goes to nobody but its owner.
    pub skip_empty: bool,
}

impl Recipients {
    /// The people; the address of the file is for them.
    pub fn audience(&self) -> Audience {
        self.to.join(" ").parse().unwrap_or_default()
    }

    /// The addresses.
    pub(crate) fn mailboxes(&self) -> impl Iterator<Item = Mailbox> {
        self.mail.iter().filter_map(|address| mailbox(address).ok())
    }

    /// All of them, in words.
    pub fn in_words(&self) -> Vec<String> {
        let webhooks = self.webhooks.iter().map(|name| format!("webhook {name}"));
        self.to.iter().chain(&self.mail).cloned().chain(webhooks).collect()
    }

    /// What is wrong with them, where there is mail or not, and these webhooks.
    pub(crate) fn faults(&self, has_mail: bool, webhooks: &[&str]) -> WrongAt {
        let mut faults = WrongAt::new();
        let mut fault = |field: &str, index: Option<usize>, reason: String| {
            let path = std::iter::once(field.into()).chain(index.map(Into::into)).collect();
            faults.push((path, format!("{field}: {reason}")));
        };
        if self.to.is_empty() && self.mail.is_empty() && self.webhooks.is_empty() {
            fault("to", None, "it names nobody; say to, mail or webhooks".to_owned());
        }
        for (index, term) in self.to.iter().enumerate() {
            if term.parse::<Term>().is_err() {
                fault("to", Some(index), format!("{term:?} is none of user:ID, group:NAME, environment"));
            }
        }
        if self.to.len() > audience::MAX_TERMS {
            fault("to", None, format!("it names {} at most; name a group", audience::MAX_TERMS));
        }
        if !self.mail.is_empty() && !has_mail {
            fault("mail", None, "this worker sends none: set [mail] (BELLWIRE_MAIL__HOST)".to_owned());
        }
        if self.mail.len() > MAX_ADDRESSES {
            fault("mail", None, format!("it has {MAX_ADDRESSES} addresses at most; write to a mailing list"));
        }
        let mut seen = BTreeSet::new();
        for (index, text) in self.mail.iter().enumerate() {
            match mailbox(text) {
                Err(reason) => fault("mail", Some(index), format!("{text:?} {reason}")),
                Ok(mailbox) if !seen.insert(mailbox.email.to_string().to_lowercase()) => {
                    fault("mail", Some(index), format!("{} is there twice", mailbox.email));
                }
                Ok(_) => {}
            }
        }
        if self.webhooks.len() > MAX_WEBHOOKS {
            fault("webhooks", None, format!("it names {MAX_WEBHOOKS} at most"));
        }
        let mut seen = BTreeSet::new();
        for (index, name) in self.webhooks.iter().enumerate() {
            if !webhooks.contains(&name.as_str()) {
                let known = if webhooks.is_empty() { "none".to_owned() } else { webhooks.join(", ") };
                fault(
                    "webhooks",
                    Some(index),
                    format!("the settings have no [[webhook]] of the name {name:?}; they have {known}"),
                );
            } else if !seen.insert(name) {
                fault("webhooks", Some(index), format!("{name} is there twice"));
            }
        }
        faults
    }
}

/// Reads an address with or without a name. Its domain is written in ASCII letters (IDNA), which each server takes; what
/// stands before the `@` may need a server with SMTPUTF8.
pub(crate) fn mailbox(text: &str) -> Result<Mailbox, &'static str> {
    const NO_ADDRESS: &str = "is no address, such as ada@example.com";
    if text.chars().any(char::is_control) {
        return Err("has a control character");
    }
    let Mailbox { name, email } = text.parse().map_err(|_| NO_ADDRESS)?;
    let email = match Host::parse(email.domain()) {
        Ok(Host::Domain(domain)) => Address::new(email.user(), domain).map_err(|_| NO_ADDRESS)?,
        _ => return Err(NO_ADDRESS),
    };
    Ok(Mailbox { name, email })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(json: serde_json::Value) -> Vec<String> {
        let recipients: Recipients = serde_json::from_value(json).unwrap();
        recipients.faults(true, &["crm"]).into_iter().map(|(_, reason)| reason).collect()
    }

    #[test]
    fn whom_a_definition_names_is_checked_before_anything_is_made() {
        let good = serde_json::json!({
            "to": ["user:boss", "group:finance", "environment"],
            "mail": ["boss@example.com", "Zoë Žižek <zoe@example.com>", "josé@exämple.com"],
            "webhooks": ["crm"],
        });
        assert_eq!(faults(good), Vec::<String>::new());
        for (json, expected) in [
            (serde_json::json!({}), "to: it names nobody"),
            (serde_json::json!({ "to": ["boss"] }), "to: \"boss\" is none of"),
            (serde_json::json!({ "to": ["user:a b"] }), "to: \"user:a b\" is none of"),
            (serde_json::json!({ "mail": ["boss"] }), "mail: \"boss\" is no address"),
            (serde_json::json!({ "mail": ["\"a b\"@example.com"] }), "is no address"),
            (serde_json::json!({ "mail": ["a@example.com\r\nBcc: b@example.com"] }), "has a control character"),
            (serde_json::json!({ "mail": ["A\nB <a@example.com>"] }), "has a control character"),
            (serde_json::json!({ "mail": ["a@example.com, b@example.com"] }), "is no address"),
            (
                serde_json::json!({ "mail": ["a@example.com", "A <A@EXAMPLE.com>"] }),
                "mail: A@example.com is there twice",
            ),
            (serde_json::json!({ "webhooks": ["erp"] }), "no [[webhook]] of the name \"erp\"; they have crm"),
            (serde_json::json!({ "webhooks": ["crm", "crm"] }), "webhooks: crm is there twice"),
        ] {
            let found = faults(json);
            assert!(found.iter().any(|fault| fault.contains(expected)), "{expected}: {found:?}");
        }
        let recipients: Recipients = serde_json::from_value(serde_json::json!({ "mail": ["a@example.com"] })).unwrap();
        assert!(recipients.faults(false, &[])[0].1.contains("set [mail]"));
    }
}
