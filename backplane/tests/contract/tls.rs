//! A broker that is spoken to over TLS, and asks for a certificate: files that are wrong are named, and read again when they change.

use std::{fs, path::PathBuf};

use backplane::{Backplane, BackplaneConfig, Destination, Link, SendError, open::DeclareError};
use tempfile::TempDir;

use crate::{
    broker::{self, given},
    expect::{soon, up},
    fixtures::event,
    world::Rabbit,
};

fn certificate(name: &str) -> PathBuf {
    PathBuf::from(given("BELLWIRE_TEST_CERTIFICATES")).join(name)
}

fn config(rabbit: &Rabbit) -> BackplaneConfig {
    BackplaneConfig {
        url: given("BELLWIRE_TEST_AMQPS_URL"),
        prefix: rabbit.prefix.clone(),
        ca_file: Some(certificate("ca.pem")),
        certificate_file: Some(certificate("client.pem")),
        key_file: Some(certificate("client.key")),
    }
}

async fn refused(config: BackplaneConfig) -> String {
    match Backplane::declare(&config, &"prod".parse().unwrap(), &[]).await {
        Err(DeclareError::Broker(SendError::Unavailable(reason))) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_broker_of_the_named_authority_is_spoken_to_and_no_other() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        drop(plane);
        Backplane::declare(&config(&rabbit), &"prod".parse().unwrap(), &[]).await.unwrap();
        let unknown = refused(BackplaneConfig { ca_file: None, ..config(&rabbit) }).await;
        assert!(unknown.contains("UnknownIssuer"), "{unknown}");
        let url = config(&rabbit).url.replace("@127.0.0.1:", "@localhost:");
        let renamed = refused(BackplaneConfig { url, ..config(&rabbit) }).await;
        assert!(renamed.contains("not valid for name \"localhost\""), "{renamed}");
        let nobody = refused(BackplaneConfig { certificate_file: None, key_file: None, ..config(&rabbit) }).await;
        assert!(!nobody.is_empty(), "{nobody}");
        let opened = |config| Backplane::open(&config, &"prod".parse().unwrap()).err().unwrap().to_string();
        let half = opened(BackplaneConfig { key_file: None, ..config(&rabbit) });
        assert!(half.starts_with("backplane.key_file (BELLWIRE_BACKPLANE__KEY_FILE): "), "{half}");
        let missing = opened(BackplaneConfig { ca_file: Some("/nowhere.pem".into()), ..config(&rabbit) });
        assert!(missing.starts_with("backplane.ca_file (") && missing.contains("/nowhere.pem"), "{missing}");
    })
    .await;
}

#[tokio::test]
async fn another_authority_in_the_file_is_taken_without_a_restart() {
    Rabbit::run(async |rabbit| {
        drop(rabbit.open(&broker::url(), "prod"));
        Backplane::declare(&config(&rabbit), &"prod".parse().unwrap(), &[]).await.unwrap();
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("ca.pem");
        fs::copy(certificate("other-ca.pem"), &file).unwrap();
        let config = BackplaneConfig { ca_file: Some(file.clone()), ..config(&rabbit) };
        let plane = Backplane::open(&config, &"prod".parse().unwrap()).unwrap();
        let mut link = plane.log.publishing();
        let refused = |link: &Link| matches!(link, Link::Down(reason) if reason.contains("UnknownIssuer"));
        soon("a refusal", link.wait_for(refused)).await.unwrap();
        fs::copy(certificate("ca.pem"), &file).unwrap();
        up(&mut link).await;
        plane.log.publish(Destination::Own, &event("over TLS")).await.unwrap();
    })
    .await;
}
