//! Mail to a real server, read by a real parser.

use data_encoding::HEXLOWER;
use delivery::{Ledger, Recipients};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    receivers::Receivers,
    scene::{Scene, undelivered},
};

#[tokio::test]
async fn each_recipient_gets_a_mail_of_their_own_with_the_file() {
    let scene = Scene::plain().await;
    // Ends of lines of each kind, a line of a single dot, and one that is too long for a mail.
    let content = [&b"a,b\r\n.\n..\r\r\n\0\xff"[..], &[b'x'; 3000]].concat();
    let task = scene.task(&content).await;
    let mail = json!(["Zoë Žižek <zoe@example.com>", "boss@example.com", "eve@exämple.com"]);
    let recipients = json!({ "to": ["group:finance"], "mail": mail });
    let delivered = task.deliver(&scene, recipients).await.unwrap();
    assert_eq!((delivered.mails, undelivered(&delivered)), (3, vec![]));
    let mails = scene.receivers.received("mail").await;
    assert_eq!(scene.receivers.recipients().await, ["zoe@example.com", "boss@example.com", "eve@exämple.com"]);
    let read: Vec<_> = mails.iter().map(Receivers::read).collect();
    assert_eq!(read[0]["to"], json!([["Zoë Žižek", "zoe@example.com"]]), "it names nobody else");
    assert_eq!(read[1]["to"], json!([["", "boss@example.com"]]));
    let mail = &read[0];
    assert_eq!(mail["defects"], json!([]));
    assert_eq!(mail["from"], json!([["Berichte", "reports@example.com"]]));
    assert_eq!(mail["subject"], "Sales <by> region & more (2 rows · CSV · Month: 2026-10)");
    assert_eq!(mail["automatic"], "auto-generated");
    let file = json!([{
        "name": "sälés 1.csv", "type": "text/csv", "bytes": content.len(), "sha256": HEXLOWER.encode(&Sha256::digest(&content)),
    }]);
    assert_eq!(mail["attached"], file);
    let (text, html) = (mail["text"].as_str().unwrap(), mail["html"].as_str().unwrap());
    for words in ["What was sold.", "Month: 2026-10", "sälés 1.csv is attached", "Until 2026-12-06 05:00 UTC"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(text.contains("https://intranet.example/#file=%2Fapi%2Fshared%2F"), "{text}");
    assert!(html.contains("Sales &lt;by&gt; region &amp; more") && html.contains("&lt;b&gt;"), "{html}");
    let ids: std::collections::BTreeSet<_> = read.iter().map(|mail| mail["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| id.starts_with(&format!("<{}.", task.context.task)) && id.ends_with("@example.com>")));
}

#[tokio::test]
async fn no_value_of_a_report_becomes_a_header() {
    let scene = Scene::plain().await;
    let mut task = scene.task(b"x").await;
    task.parcel.title = "Sales\r\nBcc: eve@example.com\r\n\r\n<script>".to_owned();
    task.parcel.summary = "\u{2028}a\nX-Evil: 1 ".repeat(40);
    task.deliver(&scene, json!({ "mail": ["boss@example.com"] })).await.unwrap();
    assert_eq!(scene.receivers.recipients().await, ["boss@example.com"]);
    let mail = Receivers::read(&scene.receivers.received("mail").await[0]);
    let expected = ["auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"];
    assert_eq!((&mail["headers"], &mail["defects"]), (&json!(expected), &json!([])));
    assert!(
        mail["subject"].as_str().unwrap().starts_with("Sales Bcc: eve@example.com <script> ("),
        "{}",
        mail["subject"]
    );
}

#[tokio::test]
async fn a_large_file_is_linked_and_so_is_one_that_the_server_finds_too_large() {
    let mut scene = Scene::plain().await;
    let task = scene.task(&[b'y'; 8192]).await;
    task.deliver(&scene, json!({ "to": ["group:finance"], "mail": ["small@example.com"] })).await.unwrap();
    scene.set("attach_up_to", json!("4KiB"));
    let other = scene.task(&[b'y'; 8192]).await;
    other.deliver(&scene, json!({ "to": ["group:finance"], "mail": ["boss@example.com"] })).await.unwrap();
    for mail in scene.receivers.received("mail").await.iter().map(Receivers::read) {
        assert_eq!(mail["attached"], json!([]));
        let text = mail["text"].as_str().unwrap();
        assert!(text.contains("has 8192 bytes, and is not attached") && text.contains("#file="), "{text}");
    }
    assert_eq!(scene.receivers.recipients().await, ["small@example.com", "boss@example.com"]);
}

#[tokio::test]
async fn a_large_file_that_is_shared_with_nobody_is_told_to_the_owner_and_no_empty_mail_is_sent() {
    let mut scene = Scene::plain().await;
    let refused = async |scene: &Scene, address: &str| {
        let task = scene.task(&[b'y'; 8192]).await;
        let delivered = task.deliver(scene, json!({ "mail": [address] })).await.unwrap();
        assert_eq!(delivered.mails, 0);
        undelivered(&delivered).remove(0).1
    };
    let reason = refused(&scene, "small@example.com").await;
    assert_eq!(reason, "552 5.3.4 too large, and it is shared with nobody (to)");
    let reason = refused(&scene, "little@example.com").await;
    assert_eq!(reason, "552 5.2.3 too much for this mailbox, and it is shared with nobody (to)");
    assert_eq!(refused(&scene, "full@example.com").await, "552 5.2.2 mailbox full", "a link would not help");
    scene.set("attach_up_to", json!("4KiB"));
    let reason = refused(&scene, "boss@example.com").await;
    assert_eq!(reason, "the file is larger than mail.attach_up_to, and it is shared with nobody (to)");
    assert_eq!(scene.receivers.recipients().await, Vec::<String>::new());
    let task = scene.task(b"x").await;
    task.deliver(&scene, json!({ "mail": ["ada@example.com"] })).await.unwrap();
    let mail = Receivers::read(&scene.receivers.received("mail").await[0]);
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("is attached") && !text.contains("#file="), "its link would open for nobody: {text}");
}

#[tokio::test]
async fn one_of_three_whom_the_server_does_not_know_is_named_and_the_others_have_it() {
    let scene = Scene::plain().await;
    let task = scene.task(b"x").await;
    let recipients = json!({ "mail": ["ada@example.com", "unknown@example.com", "bob@example.com"] });
    let delivered = task.deliver(&scene, recipients.clone()).await.unwrap();
    assert_eq!(scene.receivers.recipients().await, ["ada@example.com", "bob@example.com"]);
    let expected = ("unknown@example.com".to_owned(), "550 5.1.1 no such user here".to_owned());
    assert_eq!((delivered.mails, undelivered(&delivered)), (2, vec![expected]));
    assert_eq!(delivered.in_words(), "sent to 2 addresses; not to unknown@example.com (550 5.1.1 no such user here)");
    assert_eq!(task.deliver(&scene, recipients).await.unwrap(), delivered, "nobody is written to again");
    assert_eq!(scene.receivers.recipients().await.len(), 2);
}

#[tokio::test]
async fn who_is_greylisted_gets_it_at_a_later_attempt_and_nobody_twice() {
    let scene = Scene::plain().await;
    let mut task = scene.task(b"x").await;
    let recipients = json!({ "mail": ["later-2@example.com", "ada@example.com"] });
    for attempt in 1..=2 {
        task.context.attempt = attempt;
        let failure = task.deliver(&scene, recipients.clone()).await.unwrap_err().to_string();
        assert!(failure.contains("later-2@example.com (451 4.7.1 greylisted, come again)"), "{failure}");
        assert!(!failure.contains("ada@"), "{failure}");
    }
    task.context.attempt = 3;
    assert_eq!(task.deliver(&scene, recipients).await.unwrap().mails, 2);
    assert_eq!(scene.receivers.recipients().await, ["ada@example.com", "later-2@example.com"]);
}

#[tokio::test]
async fn who_is_still_put_off_at_the_last_attempt_is_named() {
    let scene = Scene::plain().await;
    let mut task = scene.task(b"x").await;
    let delivered = task.deliver_last(&scene, json!({ "mail": ["later-9@example.com"] })).await;
    let expected = ("later-9@example.com".to_owned(), "451 4.7.1 greylisted, come again".to_owned());
    assert_eq!((delivered.mails, undelivered(&delivered)), (0, vec![expected]));
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_costs_nobody_a_mail_and_nobody_gets_two() {
    let scene = Scene::plain().await;
    let mut task = scene.task(b"x").await;
    let recipients = json!({ "mail": ["ada@example.com", "last@example.com", "bob@example.com", "eve@example.com"] });
    let failure = task.deliver(&scene, recipients.clone()).await.unwrap_err().to_string();
    assert!(failure.contains("bob@example.com (") && failure.contains("eve@example.com ("), "{failure}");
    assert!(!failure.contains("ada@") && !failure.contains("last@"), "{failure}");
    scene.receivers.mail_is("back").await;
    task.context.attempt = 2;
    assert_eq!(task.deliver(&scene, recipients).await.unwrap().mails, 4);
    let expected = ["ada@example.com", "last@example.com", "bob@example.com", "eve@example.com"];
    assert_eq!(scene.receivers.recipients().await, expected);
}

#[tokio::test]
async fn what_a_killed_worker_has_sent_is_not_sent_again() {
    let scene = Scene::plain().await;
    let mut task = scene.task(b"x").await;
    let recipients = json!({ "mail": ["ada@example.com", "slow@example.com", "bob@example.com"] });
    {
        let running = task.deliver(&scene, recipients.clone());
        tokio::pin!(running);
        // The first is noted before the next is begun with.
        let waits = scene
            .receivers
            .wait("the second is on its way", |told| told.iter().any(|told| told["waits"] == "slow").then_some(()));
        tokio::select! {
            ended = &mut running => panic!("{ended:?}"),
            () = waits => {}
        }
    }
    let mut next = scene;
    next.set("timeout", json!("500ms"));
    task.context.attempt = 2;
    let failure = task.deliver(&next, recipients).await.unwrap_err().to_string();
    assert!(failure.contains("slow@example.com (the mail server took longer than 500ms)"), "{failure}");
    assert_eq!(next.receivers.recipients().await, ["ada@example.com", "bob@example.com"]);
}

#[tokio::test]
async fn a_connection_that_breaks_within_a_mail_is_made_anew_for_the_next() {
    let scene = Scene::plain().await;
    let mut task = scene.task(b"x").await;
    let recipients = json!({ "mail": ["broken@example.com", "ada@example.com"] });
    let delivered = task.deliver_last(&scene, recipients).await;
    assert_eq!(scene.receivers.recipients().await, ["ada@example.com"]);
    assert_eq!((delivered.mails, delivered.undelivered[0].to.as_str()), (1, "broken@example.com"));
}

#[tokio::test]
async fn a_connection_that_the_server_has_ended_meanwhile_is_made_anew() {
    let scene = Scene::plain().await;
    let delivery = scene.delivery();
    for address in ["ada@example.com", "bob@example.com"] {
        let task = scene.task(b"x").await;
        let recipients: Recipients = serde_json::from_value(json!({ "mail": [address] })).unwrap();
        let mut ledger = Ledger::open(&task.context).await.unwrap();
        let delivered = delivery.deliver(&task.context, &recipients, &task.parcel, &mut ledger).await.unwrap();
        assert_eq!(delivered.mails, 1, "{address}");
        scene.receivers.mail_is("away").await;
        scene.receivers.mail_is("back").await;
    }
}

#[tokio::test]
async fn mail_goes_over_tls_to_a_server_that_shows_a_certificate_of_the_settings_and_with_a_password() {
    for security in ["tls", "starttls"] {
        let credentials = json!({ "user": "reports" });
        let mut scene = Scene::new(json!({ "security": security, "auth": true }), credentials).await;
        scene.set("password_file", json!(scene.folder.path().join("password")));
        let task = scene.task(b"x").await;
        let recipients = json!({ "mail": ["ada@example.com"] });
        assert_eq!(task.deliver(&scene, recipients.clone()).await.unwrap().mails, 1, "{security}");
        let mail = &scene.receivers.received("mail").await[0];
        assert_eq!((&mail["secure"], &mail["user"]), (&json!(true), &json!("reports")));

        let refused = async |scene: &Scene| {
            let mut other = scene.task(b"x").await;
            let delivered = other.deliver_last(scene, recipients.clone()).await;
            delivered.undelivered[0].reason.clone()
        };
        std::fs::write(scene.folder.path().join("password"), "wrong").unwrap();
        assert!(refused(&scene).await.contains("535 5.7.8 who are you?"));
        // Neither another name nor a certificate that nobody has signed.
        scene.set("host", json!("127.0.0.1"));
        let reason = refused(&scene).await;
        assert!(reason.contains("certificate"), "{reason}");
        scene.set("host", json!("localhost"));
        scene.set("ca_file", Value::from(""));
        let reason = refused(&scene).await;
        assert!(reason.contains("certificate"), "{reason}");
        assert_eq!(scene.receivers.received("mail").await.len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_wants_a_password_first_is_no_reason_to_give_anybody_up() {
    let scene = Scene::new(json!({ "security": "none", "auth": true }), json!({})).await;
    let task = scene.task(b"x").await;
    let recipients = json!({ "mail": ["ada@example.com", "bob@example.com"] });
    let failure = task.deliver(&scene, recipients).await.unwrap_err().to_string();
    for name in ["ada@example.com (530 ", "bob@example.com (530 "] {
        assert!(failure.contains(name), "{failure}");
    }
    let noted = task.context.files.notes().of(task.context.task).await.unwrap().unwrap();
    let noted = String::from_utf8(noted.to_vec()).unwrap();
    assert!(noted.contains("ada@") && !noted.contains("bob@"), "it is asked once in a run: {noted}");
}

#[tokio::test]
async fn a_server_without_starttls_gets_neither_password_nor_mail() {
    let mut scene = Scene::plain().await;
    scene.set("security", json!("starttls"));
    let mut task = scene.task(b"x").await;
    let delivered = task.deliver_last(&scene, json!({ "mail": ["ada@example.com"] })).await;
    assert!(delivered.undelivered[0].reason.contains("STARTTLS is not supported"), "{delivered:?}");
    assert_eq!(scene.receivers.recipients().await, Vec::<String>::new());
}
