//! What is wrong with settings is told when a worker starts, with the setting's name.

use std::fs;

use serde_json::{Value, json};

use crate::scene::Scene;

fn with(mut settings: Value, path: &[&str], value: Value) -> Value {
    let mut at = &mut settings;
    for segment in &path[..path.len() - 1] {
        at = match segment.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[*segment],
        };
    }
    at[path[path.len() - 1]] = value;
    settings
}

#[tokio::test]
async fn each_wrong_setting_is_named_and_no_secret_is_told() {
    let scene = Scene::plain().await;
    let file = |name: &str| json!(scene.folder.path().join(name));
    fs::write(scene.folder.path().join("short"), "whsec_c2VjcmV0IQ==").unwrap();
    fs::write(scene.folder.path().join("broken"), "whsec_c2VjcmV0!").unwrap();
    let good = json!({
        "delivery": { "link": "https://intranet.example/#file={path}" },
        "mail": { "host": "smtp.example.com", "from": "reports@example.com", "user": "me", "password_file": file("password") },
        "webhook": [{ "name": "crm", "url": "https://crm.example/hook", "secret_file": file("secret") }],
    });
    assert!(scene.read(&good).is_ok());
    assert!(scene.read(&json!({})).is_ok());
    let nothing = Value::from("");
    for (path, value, expected) in [
        (&["delivery"][..], json!({}), "delivery.link (BELLWIRE_DELIVERY__LINK)"),
        (&["delivery", "link"], json!("https://intranet.example/"), "has no {path}"),
        (&["mail", "from"], json!("reports"), "mail.from (BELLWIRE_MAIL__FROM)"),
        (&["mail", "from"], json!("a@example.com\nBcc: b@example.com"), "mail.from (BELLWIRE_MAIL__FROM)"),
        (&["mail", "security"], json!("none"), "mail.security (BELLWIRE_MAIL__SECURITY)"),
        (&["mail", "security"], json!("ssl"), "mail.security (BELLWIRE_MAIL__SECURITY)"),
        (&["mail", "password_file"], nothing.clone(), "mail.password_file (BELLWIRE_MAIL__PASSWORD_FILE)"),
        (&["mail", "password_file"], file("nowhere"), "cannot be read"),
        (&["mail", "user"], nothing, "the password of mail.user, which is missing"),
        (&["mail", "ca_file"], file("secret"), "holds no certificates in PEM"),
        (&["mail", "attach_up_to"], json!("1GiB"), "mail.attach_up_to (BELLWIRE_MAIL__ATTACH_UP_TO): 64 MiB"),
        (&["mail", "pasword"], json!("secret!"), "pasword"),
        (&["webhook", "0", "url"], json!("http://crm.example/hook"), "webhook[0].url (BELLWIRE_WEBHOOK__0__URL)"),
        (&["webhook", "0", "url"], json!("file:///etc/passwd"), "it begins with file:"),
        (&["webhook", "0", "name"], json!("the CRM"), "webhook[0].name (BELLWIRE_WEBHOOK__0__NAME)"),
        (&["webhook", "0", "secret_file"], file("short"), "it has 7 bytes; 24 to 64"),
        (&["webhook", "0", "secret_file"], file("broken"), "after whsec_ there is no base64"),
        (&["webhook", "0", "secret_file"], file("password"), "does not begin with whsec_"),
    ] {
        let error = scene.read(&with(good.clone(), path, value)).err().unwrap_or_default();
        assert!(error.contains(expected), "{expected}\n{error}");
        assert!(!error.contains("sésame") && !error.contains("c2VjcmV0"), "{error}");
    }
}
