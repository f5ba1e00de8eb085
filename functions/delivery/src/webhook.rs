//! Webhooks: a signed CloudEvent for another program, as Standard Webhooks 1.0 has it.

use std::{fs, path::PathBuf, time::Duration};

use data_encoding::BASE64;
use jiff::{Timestamp, fmt::rfc2822};
use model::{Audience, Event, event::CONTENT_TYPE};
use process::{ConfigError, Settings, quantity};
use reqwest::{Certificate, Client, Response, StatusCode, header, redirect::Policy};
use ring::hmac;
use runtime::{Context, definitions::check_name};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Value, json};
use url::Url;

use crate::{
    outcome::{Outcome, one_line},
    parcel::Parcel,
    secret::secret_of,
};

/// What stands before a secret in base64.
const SECRET_PREFIX: &str = "whsec_";
/// The bytes that a secret may have.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time for which a server may ask not to be asked again; there is no later attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// One `[[webhook]]`; `0` in a variable's name is its index in the list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// `BELLWIRE_WEBHOOK__0__NAME`: what definitions call it. No default.
    pub name: String,
    /// `BELLWIRE_WEBHOOK__0__URL`: where the event is posted to, over https or on this machine. No default.
    #[serde(deserialize_with = "url")]
    pub url: Url,
    /// `BELLWIRE_WEBHOOK__0__SECRET_FILE`: a file with the secret of its signatures, `whsec_` and 24 to 64 bytes in base64. No default.
    pub secret_file: PathBuf,
    /// `BELLWIRE_WEBHOOK__0__ALLOW_PLAIN`: whether http is allowed to another machine. `false`.
    #[serde(default)]
    pub allow_plain: bool,
    /// `BELLWIRE_WEBHOOK__0__CA_FILE`: certificates in PEM that the server may show besides the system's. None.
    #[serde(default)]
    pub ca_file: PathBuf,
    /// `BELLWIRE_WEBHOOK__0__TIMEOUT`: how long the answer may take. `15s`.
    #[serde(default = "timeout", deserialize_with = "quantity::duration")]
    pub timeout: Duration,
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    // It may hold a token of the receiver's, so it is not repeated.
    text.parse().map_err(|error| D::Error::custom(format!("it is no address: {error}")))
}

fn timeout() -> Duration {
    Duration::from_secs(15)
}

/// A program that is sent events.
pub(crate) struct Webhook {
    name: String,
    url: Url,
    secret: hmac::Key,
    client: Client,
}

impl WebhookConfig {
    /// Reads all of them, with the files that they name.
    pub(crate) fn read_all(settings: &Settings) -> Result<Vec<Webhook>, ConfigError> {
        let configs: Vec<Self> = settings.list("webhook")?;
        let mut webhooks: Vec<Webhook> = Vec::new();
        for (index, config) in configs.into_iter().enumerate() {
            let invalid =
                |(field, reason): (&str, String)| settings.invalid(&format!("webhook[{index}].{field}"), reason);
            if webhooks.iter().any(|other| other.name == config.name) {
                return Err(invalid(("name", format!("{} is there twice", config.name))));
            }
            webhooks.push(config.open().map_err(invalid)?);
        }
        Ok(webhooks)
    }

    fn open(self) -> Result<Webhook, (&'static str, String)> {
        check_name(&self.name).map_err(|reason| ("name", reason.to_owned()))?;
        match self.url.scheme() {
            "https" => {}
            "http" if self.allow_plain || is_loopback(&self.url) => {}
            "http" => return Err(("url", "over http it can be read on the way; allow_plain allows it".to_owned())),
            other => return Err(("url", format!("it begins with {other}:, not with https:"))),
        }
        let secret =
            secret_of(&self.secret_file).and_then(|text| key_of(&text)).map_err(|reason| ("secret_file", reason))?;
        // Refused if it is installed already, and there is no other.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .redirect(Policy::none())
            .timeout(self.timeout)
            .connect_timeout(CONNECT_TIMEOUT.min(self.timeout))
            .user_agent("bellwire");
        if is_loopback(&self.url) {
            client = client.no_proxy();
        }
        if !self.ca_file.as_os_str().is_empty() {
            let file = self.ca_file.display();
            let pem =
                fs::read(&self.ca_file).map_err(|error| ("ca_file", format!("{file} cannot be read: {error}")))?;
            let certificates = Certificate::from_pem_bundle(&pem).ok().filter(|certificates| !certificates.is_empty());
            let certificates =
                certificates.ok_or_else(|| ("ca_file", format!("{file} holds no certificates in PEM")))?;
            client = client.tls_certs_merge(certificates);
        }
        let client = client.build().map_err(|error| ("url", format!("TLS cannot be set up: {error}")))?;
        Ok(Webhook { name: self.name, url: self.url, secret, client })
    }
}

/// The key in `whsec_…`; an error never repeats it.
fn key_of(text: &str) -> Result<hmac::Key, String> {
    let encoded =
        text.trim().strip_prefix(SECRET_PREFIX).ok_or_else(|| format!("it does not begin with {SECRET_PREFIX}"))?;
    let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| format!("after {SECRET_PREFIX} there is no base64"))?;
    if !SECRET_BYTES.contains(&bytes.len()) {
        return Err(format!("it has {} bytes; 24 to 64 are needed", bytes.len()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(process::is_loopback)
}

impl Webhook {
    /// What definitions call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Posts the event of a parcel; it has the same id each time.
    pub(crate) async fn send(&self, context: &Context, parcel: &Parcel, link: Option<&str>) -> Outcome {
        let body = match event(&self.name, context, parcel, link).to_json() {
            Ok(body) => body,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let (id, now) = (format!("{}_{}", context.task, self.name), Timestamp::now().as_second());
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, CONTENT_TYPE)
            .header("webhook-id", &id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", signature(&self.secret, &id, now, &body))
            .body(body);
        match request.send().await {
            Ok(answer) => outcome(&answer),
            // The address may hold a token of the receiver's.
            Err(error) => Outcome::Later(one_line(&causes(&error.without_url())), None),
        }
    }
}

/// `v1,` and the signature of id, time and body.
fn signature(secret: &hmac::Key, id: &str, time: i64, body: &[u8]) -> String {
    let mut signed = hmac::Context::with_key(secret);
    signed.update(format!("{id}.{time}.").as_bytes());
    signed.update(body);
    format!("v1,{}", BASE64.encode(signed.sign().as_ref()))
}

fn event(webhook: &str, context: &Context, parcel: &Parcel, link: Option<&str>) -> Event {
    let mut data = json!({
        "task": context.task,
        "owner": context.owner,
        "title": parcel.title,
        "summary": parcel.summary,
        "rows": parcel.rows,
        "file": { "name": parcel.file.name(), "bytes": parcel.bytes, "content_type": parcel.content_type, "link": link },
        "expires": parcel.expires,
    });
    if let (Some(data), Value::Object(more)) = (data.as_object_mut(), parcel.data.clone()) {
        data.extend(more);
    }
    let mut event = Event::new(&context.source, &parcel.event_type, Audience::default()).with_data(data);
    event.id = format!("{}.{webhook}", context.task);
    event.subject = Some(format!("task/{}", context.task));
    event.environment = Some(context.environment.to_string());
    event.traceparent.clone_from(&context.traceparent);
    event
}

fn outcome(answer: &Response) -> Outcome {
    let status = answer.status();
    let said = || format!("it answered {status}");
    match status {
        _ if status.is_success() => Outcome::Done,
        _ if status.is_redirection() => Outcome::Refused(format!("{}, and is followed nowhere", said())),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Outcome::Later(said(), retry_after(answer))
        }
        _ if status.is_server_error() => Outcome::Later(said(), retry_after(answer)),
        _ => Outcome::Refused(said()),
    }
}

/// When the server asks to come again, in seconds or as a date; a day at most.
fn retry_after(answer: &Response) -> Option<Timestamp> {
    let text = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let now = Timestamp::now();
    let time = match text.parse::<u64>() {
        Ok(seconds) => now.checked_add(Duration::from_secs(seconds.min(LONGEST_PAUSE.as_secs()))).ok()?,
        Err(_) => rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?,
    };
    Some(time.min(now + LONGEST_PAUSE))
}

fn causes(error: &reqwest::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        words += &format!(": {inner}");
        cause = inner.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_as_standard_webhooks_writes_it() {
        assert!(key_of("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").is_ok());
        for (bad, expected) in [
            ("C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "does not begin with whsec_"),
            ("whsec_secret!", "no base64"),
            ("whsec_c2hvcnQ=", "it has 5 bytes; 24 to 64"),
        ] {
            let error = key_of(bad).unwrap_err();
            assert!(error.contains(expected) && !error.contains("secret!"), "{error}");
        }
    }

    /// The example of the specification of Standard Webhooks.
    #[test]
    fn the_signature_of_the_specification_is_ours() {
        let key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
