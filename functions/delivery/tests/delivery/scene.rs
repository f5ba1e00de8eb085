//! A worker's settings, a task of ada's with its file, and what it is to deliver.

use std::{fs, path::Path, process::Command};

use delivery::{Delivered, Delivery, Ledger, Parcel, Recipients};
use jiff::Timestamp;
use process::{Settings, settings::Layers};
use runtime::{Context, Failure, testing};
use serde_json::{Value, json};
use storage::{FileKey, Storage, StorageConfig};
use tempfile::TempDir;

use crate::receivers::Receivers;

/// The secret of the receiver of webhooks.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";

pub(crate) struct Scene {
    pub(crate) receivers: Receivers,
    pub(crate) storage: Storage,
    pub(crate) folder: TempDir,
    mail: Value,
    webhooks: Vec<(&'static str, &'static str)>,
}

impl Scene {
    /// Servers that do as these options say, and mail with these settings besides.
    pub(crate) async fn new(mut options: Value, mail: Value) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, text) in [("secret", SECRET), ("password", "open sésame\n")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        if options["security"] != "none" {
            make_certificates(folder.path());
            options["folder"] = json!(folder.path());
        }
        let receivers = Receivers::start(options.clone()).await;
        let storage = Storage::open(&StorageConfig::at("memory:")).unwrap();
        let mut all = json!({
            "host": "localhost", "port": receivers.smtp, "security": options["security"],
            "from": "Berichte <reports@example.com>",
        });
        if options["security"] != "none" {
            all["ca_file"] = json!(folder.path().join("ca.pem"));
        }
        all.as_object_mut().unwrap().extend(mail.as_object().unwrap().clone());
        Self { receivers, storage, folder, mail: all, webhooks: Vec::new() }
    }

    /// Over an open connection to this machine.
    pub(crate) async fn plain() -> Self {
        Self::new(json!({ "security": "none" }), json!({})).await
    }

    /// The same, and webhooks of these names and paths.
    pub(crate) async fn with_webhooks(webhooks: &[(&'static str, &'static str)]) -> Self {
        Self { webhooks: webhooks.to_vec(), ..Self::plain().await }
    }

    /// Changes a setting of mail.
    pub(crate) fn set(&mut self, field: &str, value: Value) {
        self.mail[field] = value;
    }

    /// What a worker with these settings delivers by.
    pub(crate) fn delivery(&self) -> Delivery {
        let webhooks = self.webhooks.iter().map(|(name, path)| {
            let url = format!("http://127.0.0.1:{}{path}", self.receivers.webhooks);
            json!({ "name": name, "url": url, "secret_file": self.folder.path().join("secret"), "timeout": "2s" })
        });
        let settings = json!({
            "delivery": { "link": "https://intranet.example/#file={path}" },
            "mail": self.mail,
            "webhook": webhooks.collect::<Vec<_>>(),
        });
        self.read(&settings).unwrap()
    }

    /// What a worker makes of settings.
    pub(crate) fn read(&self, settings: &Value) -> Result<Delivery, String> {
        let file = self.folder.path().join("bellwire.toml");
        let sections = settings.as_object().unwrap().iter();
        let text: String = sections.map(|(name, value)| format!("{name} = {}\n", toml_of(value))).collect();
        fs::write(&file, text).unwrap();
        let settings =
            Settings::read(Layers { file: Some(file), ..Layers::default() }).map_err(|error| error.to_string())?;
        Delivery::read(&settings).map_err(|error| error.to_string())
    }

    /// A first attempt at a task, whose file has this content.
    pub(crate) async fn task(&self, content: &[u8]) -> Task {
        let files = self.storage.files(&"test".parse().unwrap(), "ada");
        let (context, _) = testing::context(files);
        let file: FileKey = format!("report-{}/sälés 1.csv", context.task).parse().unwrap();
        let mut upload = context.files.put(file.clone()).await.unwrap();
        upload.write(content.to_vec().into()).await.unwrap();
        upload.finish().await.unwrap();
        let parcel = Parcel {
            title: "Sales <by> region & more".to_owned(),
            description: "What was sold.".to_owned(),
            summary: "2 rows · CSV · Month: 2026-10".to_owned(),
            facts: vec![
                ("Month".to_owned(), "2026-10".to_owned()),
                ("Größe".to_owned(), "<b>\r\nBcc: eve@example.com".to_owned()),
            ],
            rows: 2,
            file,
            bytes: content.len() as u64,
            content_type: "text/csv; charset=utf-8".to_owned(),
            expires: "2026-12-06T05:00:00Z".parse::<Timestamp>().unwrap(),
            event_type: "bellwire.report.ready".to_owned(),
            data: json!({ "report": "sales", "parameters": { "month": "2026-10" } }),
        };
        Task { context, parcel }
    }
}

/// A certificate for `localhost` and its key, signed by an authority of its own: `certificate.pem`, `key.pem`, `ca.pem`.
fn make_certificates(folder: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    for line in [
        format!("req -x509 {key} -subj /CN=authority -keyout ca.key -out ca.pem"),
        format!(
            "req -x509 {key} -subj /CN=mail -CA ca.pem -CAkey ca.key -keyout key.pem -out certificate.pem \
             -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE"
        ),
    ] {
        let made = Command::new("openssl").args(line.split_whitespace()).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

/// A value as TOML writes it; strings are written as in JSON.
fn toml_of(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name} = {}", toml_of(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(toml_of).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A task that has made a file.
pub(crate) struct Task {
    pub(crate) context: Context,
    pub(crate) parcel: Parcel,
}

impl Task {
    /// One attempt to deliver it, by a worker that knows of earlier ones what lies in the storage.
    pub(crate) async fn deliver(&self, scene: &Scene, recipients: Value) -> Result<Delivered, Failure> {
        let recipients: Recipients = serde_json::from_value(recipients).unwrap();
        let delivery = scene.delivery();
        assert!(delivery.faults(&recipients).is_empty());
        let mut ledger = Ledger::open(&self.context).await.unwrap();
        delivery.deliver(&self.context, &recipients, &self.parcel, &mut ledger).await
    }

    /// The same, at the last attempt.
    pub(crate) async fn deliver_last(&mut self, scene: &Scene, recipients: Value) -> Delivered {
        self.context.attempt = self.context.attempts;
        self.deliver(scene, recipients).await.unwrap()
    }
}

/// Who does not have it, and why.
pub(crate) fn undelivered(delivered: &Delivered) -> Vec<(String, String)> {
    delivered.undelivered.iter().map(|each| (each.to.clone(), each.reason.clone())).collect()
}
